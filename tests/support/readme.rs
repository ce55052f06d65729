//! What README.md tells its readers to type: fenced blocks, as they stand there.

const README: &str = include_str!("../../README.md");

/// One fenced block: ```` ```sh ```` and what follows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Block {
    pub language: &'static str,
    pub text: &'static str,
}

/// The blocks below a heading, such as `### Pay with a text`, up to the next heading of any level.
pub fn blocks(heading: &str) -> Vec<Block> {
    let blocks = all_blocks(README).into_iter().filter(|(above, _)| *above == heading);
    let blocks: Vec<_> = blocks.map(|(_, block)| block).collect();
    assert!(!blocks.is_empty(), "README.md has no block below {heading:?}");
    blocks
}

/// All blocks of a text, each with the heading that it stands below.
pub fn all_blocks(text: &'static str) -> Vec<(&'static str, Block)> {
    let mut blocks = Vec::new();
    let (mut heading, mut rest) = ("", text);
    while let Some((before, fenced)) = rest.split_once("\n```") {
        heading = before.lines().rfind(|line| line.starts_with('#')).unwrap_or(heading);
        let (language, text) = fenced.split_once('\n').expect("a line after the fence");
        let (text, after) = text.split_once("\n```\n").expect("the closing fence");
        blocks.push((heading, Block { language, text }));
        rest = after;
    }
    blocks
}

/// The headings one level below this one, as they stand: `### Pay with a text`.
pub fn headings_below(heading: &str) -> Vec<&'static str> {
    let level = heading.split_once(' ').expect("a heading").0;
    let (_, below) = README.split_once(&format!("\n{heading}\n")).expect("the heading");
    let end = below.find(&format!("\n{level} ")).unwrap_or(below.len());
    let next_level = format!("{level}# ");
    below[..end].lines().filter(|line| line.starts_with(&next_level)).collect()
}
