//! Is what README.md says of the source true?

use std::fs;
use std::path::{Path, PathBuf};

const README: &str = include_str!("../README.md");

/// The lessons that an evening is enough for.
const AN_EVENING: [&str; 6] =
    ["sse.rs", "closing.rs", "waiters.rs", "reaper.rs", "order.rs", "orders.rs"];
/// What every stranger can hold in their head.
const LONGEST_FILE: usize = 300;

#[test]
fn the_source_is_as_long_as_it_says_and_no_file_is_too_long() {
    let files = files_below(Path::new("src"));
    let lines = |file: &PathBuf| (code_lines(&fs::read_to_string(file).unwrap()), file.clone());
    let lines: Vec<_> = files.iter().map(lines).collect();
    let all: usize = lines.iter().map(|(count, _)| count).sum();
    let of_evening = |file: &Path| AN_EVENING.iter().any(|name| file.ends_with(name));
    let evening: usize = lines.iter().filter(|it| of_evening(&it.1)).map(|(count, _)| count).sum();
    println!("{all} lines, {evening} of them in an evening");
    let said = format!("{} lines of code", with_comma(all));
    assert!(README.contains(&said), "README.md does not say {said:?}");
    let said = format!("the {evening} lines");
    assert!(README.contains(&said), "README.md does not say {said:?}");
    let longest = lines.iter().max().unwrap();
    assert!(longest.0 <= LONGEST_FILE, "{longest:?}");
}

#[test]
fn each_step_of_the_lesson_names_a_test_that_is_there() {
    let lesson = include_str!("../src/lib.rs");
    let commands = lesson.split('`').filter_map(|text| text.strip_prefix("cargo test --test "));
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
