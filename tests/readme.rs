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
