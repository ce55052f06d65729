//! As much JSON (RFC 8259) as WebDriver speaks.

use std::fmt::{self, Display, Formatter, Write};
use std::iter::Peekable;
use std::ops::Index;
use std::str::Chars;

#[derive(Clone, Debug, PartialEq)]
pub enum Json {
    Null,
    Bool(bool),
    Number(f64),
    Text(String),
    List(Vec<Json>),
    Object(Vec<(String, Json)>),
}

impl Json {
    pub fn object<const N: usize>(members: [(&str, Json); N]) -> Json {
        Json::Object(members.map(|(name, value)| (name.to_owned(), value)).into())
    }

    pub fn parse(text: &str) -> Json {
        let mut reader = Reader { text, rest: text.chars().peekable() };
        let value = reader.value();
        reader.skip_space();
        if reader.rest.peek().is_some() {
            reader.fail("the end");
        }
        value
    }

    pub fn text(&self) -> &str {
        match self {
            Json::Text(text) => text,
            other => panic!("not a text: {other}"),
        }
    }

    pub fn number(&self) -> f64 {
        match self {
            Json::Number(number) => *number,
            other => panic!("not a number: {other}"),
        }
    }

    pub fn list(&self) -> &[Json] {
        match self {
            Json::List(list) => list,
            other => panic!("not a list: {other}"),
        }
    }
}

impl From<&str> for Json {
    fn from(text: &str) -> Json {
        Json::Text(text.to_owned())
    }
}

impl From<bool> for Json {
    fn from(value: bool) -> Json {
        Json::Bool(value)
    }
}

impl From<Vec<Json>> for Json {
    fn from(list: Vec<Json>) -> Json {
        Json::List(list)
    }
}

/// `value["name"]`: the member of that name, `Null` where there is none.
impl Index<&str> for Json {
    type Output = Json;

    fn index(&self, name: &str) -> &Json {
        let Json::Object(members) = self else { return &Json::Null };
        members.iter().find(|(it, _)| it == name).map_or(&Json::Null, |(_, value)| value)
    }
}

impl Display for Json {
    fn fmt(&self, out: &mut Formatter) -> fmt::Result {
        match self {
            Json::Null => out.write_str("null"),
            Json::Bool(value) => write!(out, "{value}"),
            Json::Number(number) => write!(out, "{number}"),
            Json::Text(text) => write_text(out, text),
            Json::List(list) => {
                out.write_char('[')?;
                for (at, item) in list.iter().enumerate() {
                    write!(out, "{}{item}", comma_before(at))?;
                }
                out.write_char(']')
            }
            Json::Object(members) => {
                out.write_char('{')?;
                for (at, (name, value)) in members.iter().enumerate() {
                    out.write_str(comma_before(at))?;
                    write_text(out, name)?;
                    write!(out, ":{value}")?;
                }
                out.write_char('}')
            }
        }
    }
}

fn comma_before(at: usize) -> &'static str {
    if at == 0 { "" } else { "," }
}

fn write_text(out: &mut Formatter, text: &str) -> fmt::Result {
    out.write_char('"')?;
    for letter in text.chars() {
        match letter {
            '"' | '\\' => write!(out, "\\{letter}")?,
            '\0'..' ' => write!(out, "\\u{:04x}", u32::from(letter))?,
            _ => out.write_char(letter)?,
        }
    }
    out.write_char('"')
}

struct Reader<'a> {
    text: &'a str,
    rest: Peekable<Chars<'a>>,
}

impl Reader<'_> {
    fn value(&mut self) -> Json {
        self.skip_space();
        match self.rest.peek() {
            Some('{') => self.object(),
            Some('[') => self.list(),
            Some('"') => Json::Text(self.string()),
            _ => self.word(),
        }
    }

    fn object(&mut self) -> Json {
        self.expect('{');
        let mut members = Vec::new();
        while !self.is_next('}') {
            if !members.is_empty() {
                self.expect(',');
            }
            self.skip_space();
            let name = self.string();
            self.expect(':');
            members.push((name, self.value()));
        }
        self.expect('}');
        Json::Object(members)
    }

    fn list(&mut self) -> Json {
        self.expect('[');
        let mut items = Vec::new();
        while !self.is_next(']') {
            if !items.is_empty() {
                self.expect(',');
            }
            items.push(self.value());
        }
        self.expect(']');
        Json::List(items)
    }

    fn string(&mut self) -> String {
        self.expect('"');
        let mut utf16 = Vec::new();
        loop {
            match self.next() {
                '"' => return String::from_utf16(&utf16).unwrap_or_else(|_| self.fail("Unicode")),
                '\\' => utf16.push(self.escaped()),
                letter => utf16.extend_from_slice(letter.encode_utf16(&mut [0; 2])),
            }
        }
    }

    /// What stands after a backslash: one UTF-16 unit, of which a pair may make a letter.
    fn escaped(&mut self) -> u16 {
        match self.next() {
            'n' => 0x0a,
            't' => 0x09,
            'r' => 0x0d,
            'b' => 0x08,
            'f' => 0x0c,
            'u' => {
                let digits: String = (0..4).map(|_| self.next()).collect();
                u16::from_str_radix(&digits, 16).unwrap_or_else(|_| self.fail("four hex digits"))
            }
            same @ ('"' | '\\' | '/') => same as u16,
            _ => self.fail("an escape"),
        }
    }

    fn word(&mut self) -> Json {
        let mut word = String::new();
        while let Some(letter) =
            self.rest.next_if(|it| it.is_ascii_alphanumeric() || "+-.".contains(*it))
        {
            word.push(letter);
        }
        match word.as_str() {
            "null" => Json::Null,
            "true" => Json::Bool(true),
            "false" => Json::Bool(false),
            number => Json::Number(number.parse().unwrap_or_else(|_| self.fail("a value"))),
        }
    }

    fn is_next(&mut self, mark: char) -> bool {
        self.skip_space();
        self.rest.peek() == Some(&mark)
    }

    fn expect(&mut self, mark: char) {
        self.skip_space();
        if self.next() != mark {
            self.fail(&mark.to_string());
        }
    }

    fn next(&mut self) -> char {
        self.rest.next().unwrap_or_else(|| self.fail("more"))
    }

    fn skip_space(&mut self) {
        while self.rest.next_if(|it| " \t\r\n".contains(*it)).is_some() {}
    }

    fn fail(&self, expected: &str) -> ! {
        panic!(
            "expected {expected} before {:?} in {}",
            self.rest.clone().take(20).collect::<String>(),
            self.text
        );
    }
}
