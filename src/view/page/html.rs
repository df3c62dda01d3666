//! A report as one HTML file that needs nothing else: no script, no network. It is XML too.

use std::fmt::Write;

use super::document::{Block, Table};
use crate::view::picture::svg::{DARK, STYLE, escaped};

/// How the page looks, but for its pictures.
const PAGE: &str = "\
:root{color-scheme:light dark;--ground:#ffffff;--ink:#222222;--faint:#595959;--line:#d4d4d4;--notice:#fff4d6;--code:#f4f4f4}
body{font:15px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--ground);max-width:760px;margin:0 auto;padding:16px;overflow-wrap:anywhere}
h1{font-size:1.6em;margin:.4em 0}
h2{font-size:1.2em;margin:1.8em 0 .5em;border-bottom:1px solid var(--line)}
h3{font-size:1em;margin:1.4em 0 .3em}
figure{margin:0 0 1.4em}
figcaption{color:var(--faint);font-size:.9em}
.notice{background:var(--notice);padding:.6em .8em;border-left:4px solid #b37700}
.scroll{overflow-x:auto}
.scroll:focus-visible{outline:2px solid #0072b2}
.scroll svg{display:block;max-width:100%;min-width:600px;height:auto}
table{border-collapse:collapse;font-size:.88em}
th,td{padding:.2em .7em;border-bottom:1px solid var(--line);text-align:right;vertical-align:top;white-space:nowrap;font-variant-numeric:tabular-nums}
.words{text-align:left}
.pairs td{white-space:normal}
.pairs td:first-child{white-space:nowrap;color:var(--faint)}
pre{background:var(--code);padding:.7em;overflow-x:auto;font-size:.85em}
";

const PAGE_DARK: &str =
    ":root{--ground:#16181c;--ink:#e8e8e8;--faint:#a8a8a8;--line:#3a3d44;--notice:#3a3018;--code:#22252b}\n";

/// On paper there is no room to scroll, and a picture is not cut.
const PRINT: &str = "\
@media print{body{max-width:none;font-size:10pt}.scroll{overflow:visible}.scroll svg{min-width:0}table{font-size:7.5pt}
th,td{padding:.1em .35em;white-space:normal}td{overflow-wrap:normal}pre{white-space:pre-wrap}figure,tr{break-inside:avoid}h2,h3{break-after:avoid}}
";

/// The page of a report.
pub(super) fn html(title: &str, blocks: &[Block]) -> String {
    let title = escaped(title);
    let mut page = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n<title>{title}</title>\n<style>\n{PAGE}{STYLE}\
         @media screen and (prefers-color-scheme:dark){{\n{PAGE_DARK}{DARK}}}\n{PRINT}</style>\n</head>\n<body>\n<main>\n<h1>{title}</h1>\n"
    );
    for block in blocks {
        // Writing to a text can't fail.
        let _ = match block {
            Block::Heading(text) => writeln!(page, "<h2>{}</h2>", escaped(text)),
            Block::Text(text) => writeln!(page, "<p>{}</p>", escaped(text)),
            Block::Notice(text) => writeln!(page, "<p class=\"notice\">{}</p>", escaped(text)),
            Block::Lines(text) => writeln!(page, "<pre class=\"scroll\" tabindex=\"0\">{}</pre>", lines(text)),
            Block::Table(of) => {
                table(&mut page, of);
                Ok(())
            }
            Block::Picture(picture) => writeln!(
                page,
                "<figure>\n<h3>{title}</h3>\n<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"{title}\">\n{}</div>\n\
                 <figcaption>{}</figcaption>\n</figure>",
                picture.inline(),
                escaped(&picture.description),
                title = escaped(&picture.title),
            ),
        };
    }
    page + "</main>\n</body>\n</html>\n"
}

/// Several lines, each with what does not show made visible.
fn lines(text: &str) -> String {
    text.lines().map(|line| escaped(line) + "\n").collect()
}

fn table(page: &mut String, table: &Table) {
    let class = |column: usize| {
        if table.words.contains(&column) {
            " class=\"words\""
        } else {
            ""
        }
    };
    let kind = if table.head.is_empty() { " class=\"pairs\"" } else { "" };
    *page += &format!(
        "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"{}\">\n<table{kind}>\n",
        escaped(table.name)
    );
    if !table.head.is_empty() {
        let cells = table.head.iter().enumerate();
        let cells = cells.map(|(column, text)| format!("<th scope=\"col\"{}>{}</th>", class(column), escaped(text)));
        *page += &format!("<thead><tr>{}</tr></thead>\n", cells.collect::<String>());
    }
    *page += "<tbody>\n";
    for row in &table.rows {
        let cells = row.iter().enumerate();
        let cells = cells.map(|(column, text)| format!("<td{}>{}</td>", class(column), escaped(text)));
        *page += &format!("<tr>{}</tr>\n", cells.collect::<String>());
    }
    *page += "</tbody>\n</table>\n</div>\n";
}
