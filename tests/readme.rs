//! Is what README.md says of the source true, and does README.zh-CN.md say the same?

mod support;

use std::fs;
use std::path::{Path, PathBuf};

use support::readme::all_blocks;

const README: &str = include_str!("../README.md");
const CHINESE: &str = include_str!("../README.zh-CN.md");
const LESSON: &str = include_str!("../src/lib.rs");

/// Lessons two and three: what makes this program differ from the forty lines.
const HEART: [&str; 6] =
    ["sse.rs", "closing.rs", "waiters.rs", "reaper.rs", "order.rs", "orders.rs"];
/// What every stranger can hold in their head.
const LONGEST_FILE: usize = 300;

#[test]
fn the_source_is_as_long_as_it_says_and_no_file_is_too_long() {
    let files = files_below(Path::new("src"));
    let lines = |file: &PathBuf| (code_lines(&fs::read_to_string(file).unwrap()), file.clone());
    let lines: Vec<_> = files.iter().map(lines).collect();
    let all: usize = lines.iter().map(|(count, _)| count).sum();
    let is_heart = |file: &Path| HEART.iter().any(|name| file.ends_with(name));
    let heart: usize = lines.iter().filter(|it| is_heart(&it.1)).map(|(count, _)| count).sum();
    let all = with_comma(all);
    println!("{all} lines, {heart} of them the heart");
    for (text, said) in [
        (README, format!("{all} lines of code")),
        (README, format!("the {heart} lines")),
        (CHINESE, format!("{all} 行代码")),
        (CHINESE, format!("{heart} 行")),
    ] {
        assert!(text.contains(&said), "README does not say {said:?}");
    }
    let longest = lines.iter().max().unwrap();
    assert!(longest.0 <= LONGEST_FILE, "{longest:?}");
}

#[test]
fn both_languages_have_the_same_blocks_and_the_same_code_in_their_tables() {
    let blocks = |text| all_blocks(text).into_iter().map(|(_, block)| block).collect::<Vec<_>>();
    for (english, chinese) in blocks(README).into_iter().zip(blocks(CHINESE)) {
        assert_eq!(english, chinese);
    }
    assert_eq!(blocks(README).len(), blocks(CHINESE).len());
    let rows = |text: &'static str| {
        let rows = text.lines().filter(|line| line.starts_with('|')).map(code_in);
        rows.filter(|codes| !codes.is_empty()).collect::<Vec<_>>()
    };
    for (mut english, mut chinese) in rows(README).into_iter().zip(rows(CHINESE)) {
        english.sort_unstable();
        chinese.sort_unstable();
        assert_eq!(english, chinese);
    }
    assert_eq!(rows(README).len(), rows(CHINESE).len());
}

#[test]
fn each_file_heading_and_target_that_is_named_is_there() {
    let makefile = include_str!("../Makefile");
    for text in [README, CHINESE] {
        let links = text.split("](").skip(1).map(|rest| rest.split_once(')').expect("a link").0);
        for link in links.filter(|link| !link.contains("://")) {
            let (file, name) = link.split_once('#').unwrap_or((link, ""));
            let other = fs::read(file).unwrap_or_default();
            let text = if file.is_empty() { text.into() } else { String::from_utf8_lossy(&other) };
            let is_it = |line: &str| line.starts_with('#') && anchor(line) == name;
            let is_there = if name.is_empty() { !text.is_empty() } else { text.lines().any(is_it) };
            assert!(is_there, "{link}");
        }
        for code in code_in(text) {
            let path = code.split(' ').next().expect("a word");
            let is_ours = ["src/", "tests/"].iter().any(|folder| path.starts_with(folder));
            assert!(!is_ours || Path::new(path).exists(), "{code}");
            let target = code.strip_prefix("make ").and_then(|words| words.split(' ').next());
            assert!(target.is_none_or(|it| makefile.contains(&format!("\n{it}:"))), "{code}");
        }
    }
}

/// As GitHub makes it of a heading.
fn anchor(heading: &str) -> String {
    let text = heading.trim_start_matches('#').trim().to_lowercase().replace(' ', "-");
    text.chars().filter(|it| it.is_alphanumeric() || "-_".contains(*it)).collect()
}

/// What stands between backticks, but for fenced blocks.
fn code_in(text: &'static str) -> Vec<&'static str> {
    let prose = text.split("\n```").step_by(2);
    prose.flat_map(|it| it.split('`').skip(1).step_by(2)).collect()
}

#[test]
fn the_forty_lines_are_forty() {
    let lines = LESSON.lines().skip_while(|line| *line != "//! ```no_run").skip(1);
    assert_eq!(lines.take_while(|line| *line != "//! ```").count(), 40);
}

#[test]
fn each_step_of_the_lesson_names_a_test_that_is_there() {
    let commands = LESSON.split('`').filter_map(|text| text.strip_prefix("cargo test --test "));
    let tests: Vec<_> = commands.map(|words| words.split_once(' ').expect("a test")).collect();
    assert_eq!(tests.len(), 10);
    for (file, test) in tests {
        let source = fs::read_to_string(format!("tests/{file}.rs")).expect(file);
        assert!(source.contains(&format!("#[test]\nfn {test}() {{")), "{file}: {test}");
    }
}

/// The page's panel that maps the original to the wire, to the source and to the page, row by row.
fn map_of_page() -> Vec<Vec<&'static str>> {
    let html = include_str!("../www/page.html");
    let (_, map) = html.split_once("<ol id=\"map\"").expect("the map");
    let (map, _) = map.split_once("</ol>").expect("its end");
    let cell = |code: &'static str| match code.split_once('>').expect("a cell") {
        ("<code data-word=\"endOfStream\"", _) => "end of stream",
        (_, text) => text.split_once("</code>").expect("its end").0,
    };
    let row = |row: &'static str| {
        let cells = row.lines().map(str::trim).filter(|line| line.starts_with("<code"));
        cells.map(cell).collect()
    };
    map.split("<li").skip(1).map(row).collect()
}

#[test]
fn the_map_of_the_page_is_that_of_readme_md_and_names_functions_that_are_there() {
    let map = map_of_page();
    assert_eq!(map.len(), 8);
    for row in map {
        let [original, wire, source, page] = row[..] else { panic!("not four: {row:?}") };
        let cells = [original, wire, source, page].map(|it| match it {
            "–" | "end of stream" => it.to_owned(),
            code => format!("`{code}`"),
        });
        let line = format!("\n| {} |\n", cells.join(" | "));
        assert!(README.contains(&line), "README.md has no {line:?}");
        for function in source.split(", ") {
            let (file, name) = function.split_once(' ').expect("a file and a function");
            let source = fs::read_to_string(file).expect(file);
            assert!(source.contains(&format!("fn {name}(")), "{file} has no {name}");
        }
        let of_page = fs::read_to_string("www/waiter.js").unwrap();
        let call = page.trim_end_matches(')');
        assert!(page == "–" || of_page.contains(call), "waiter.js has no {call:?}");
    }
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let files = entries.flat_map(|it| if it.is_dir() { files_below(&it) } else { vec![it] });
    files.filter(|file| file.extension().is_some_and(|ending| ending == "rs")).collect()
}

/// Without blank lines, comments and unit tests.
fn code_lines(text: &str) -> usize {
    let code = text.lines().take_while(|line| *line != "#[cfg(test)]");
    code.filter(|line| !line.trim().is_empty() && !line.trim().starts_with("//")).count()
}

fn with_comma(number: usize) -> String {
    format!("{},{:03}", number / 1000, number % 1000)
}
