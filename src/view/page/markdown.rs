//! A report as Markdown, with its pictures in files beside it.

use super::document::{Block, Table};
use crate::diagnostic::visible;

/// The text of a report whose pictures are in a directory: its name as it stands beside the text.
pub(super) fn markdown(title: &str, blocks: &[Block], pictures: &str) -> String {
    let mut text = format!("# {}\n", escaped(title));
    for block in blocks {
        text += "\n";
        text += &match block {
            Block::Heading(heading) => format!("## {}\n", escaped(heading)),
            Block::Text(text) => format!("{}\n", paragraph(text)),
            Block::Notice(text) => format!("> **{}**\n", escaped(text)),
            Block::Lines(lines) => fenced(lines),
            Block::Table(of) => table(of),
            Block::Picture(picture) => {
                let (title, name) = (escaped(&picture.title), &picture.name);
                let place = address(pictures);
                format!(
                    "### {title}\n\n![{title}]({place}/{name}.svg)\n\n{}\n",
                    escaped(&picture.description)
                )
            }
        };
    }
    text
}

/// A paragraph in which nothing is taken for Markdown or HTML.
fn paragraph(text: &str) -> String {
    let text = escaped(text);
    // It would begin a list, or underline a heading.
    let begins = text.starts_with(['-', '+', '=']);
    if begins { format!("\\{text}") } else { text }
}

/// A text in which nothing is taken for Markdown or HTML, but at the beginning of a line.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in visible(text).chars() {
        if "\\`*_[]<>#|&~$!".contains(c) {
            escaped.push('\\');
        }
        escaped.push(c);
    }
    escaped
}

/// Lines that are shown as they are.
fn fenced(lines: &str) -> String {
    let mut longest = 0;
    let mut run = 0;
    for c in lines.chars() {
        run = if c == '`' { run + 1 } else { 0 };
        longest = longest.max(run);
    }
    let fence = "`".repeat((longest + 1).max(3));
    let shown: String = lines.lines().map(|line| visible(line) + "\n").collect();
    format!("{fence}text\n{shown}{fence}\n")
}

fn table(table: &Table) -> String {
    let columns = table.head.len().max(table.rows.first().map_or(0, Vec::len));
    let line = |cells: &mut dyn Iterator<Item = String>| format!("| {} |\n", cells.collect::<Vec<_>>().join(" | "));
    let mut head = table
        .head
        .iter()
        .map(|cell| escaped(cell))
        .chain(std::iter::repeat(String::new()))
        .take(columns);
    let mut text = line(&mut head);
    text += &line(&mut (0..columns).map(|column| match table.words.contains(&column) {
        true => "---".to_owned(),
        false => "---:".to_owned(),
    }));
    for row in &table.rows {
        text += &line(&mut row.iter().map(|cell| escaped(cell)));
    }
    text
}

/// A name of a file as it stands in an address.
fn address(name: &str) -> String {
    let mut address = String::new();
    for &byte in name.as_bytes() {
        match byte.is_ascii_alphanumeric() || b"-._/".contains(&byte) {
            true => address.push(char::from(byte)),
            false => address += &format!("%{byte:02X}"),
        }
    }
    address
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_of_others_stay_texts() {
        assert_eq!(
            paragraph("- a|b <i> `x` [y](z)\n# no"),
            "\\- a\\|b \\<i\\> \\`x\\` \\[y\\](z)\u{240a}\\# no"
        );
        assert_eq!(fenced("a ``` b\n"), "````text\na ``` b\n````\n");
        assert_eq!(address("a b/ü(1)"), "a%20b/%C3%BC%281%29");
    }
}
