//! The dossier as one HTML file: no script, no font and no picture is fetched.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

use super::content::{self, DocumentBlock};
use super::{Dossier, DossierWords};

const STYLE: &str = include_str!("dossier.css");

/// The file.
pub fn render(dossier: &Dossier, words: &DossierWords) -> String {
    let blocks = content::of(dossier, words);
    let direction = if words.is_rtl() { "rtl" } else { "ltr" };
    let mut page = format!(
        "<!doctype html>\n<html lang=\"{}\" dir=\"{direction}\">\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{}</title>\n<style>\n{STYLE}</style>\n<main>\n",
        escaped(words.tag()),
        escaped(words.get("title")),
    );
    let mut section = 0;
    for block in &blocks {
        write_block(&mut page, block, &blocks, &mut section);
    }
    proofs(&mut page, dossier);
    page.push_str("</main>\n</html>\n");
    page
}

fn write_block(page: &mut String, block: &DocumentBlock, blocks: &[DocumentBlock], section: &mut usize) {
    // Writing into a text cannot fail.
    let _ = match block {
        DocumentBlock::Title(text) => writeln!(page, "<h1>{}</h1>", escaped(text)),
        DocumentBlock::Heading(1, text) => {
            *section += 1;
            writeln!(page, "<h2 id=\"s{section}\">{}</h2>", escaped(text))
        }
        DocumentBlock::Heading(level, text) => writeln!(page, "<h{0}>{1}</h{0}>", level + 1, escaped(text)),
        DocumentBlock::Paragraph(text) => writeln!(page, "<p>{}</p>", escaped(text)),
        DocumentBlock::Lead(text) => writeln!(page, "<p class=\"lead\">{}</p>", escaped(text)),
        DocumentBlock::Note(text) => writeln!(page, "<p class=\"note\">{}</p>", escaped(text)),
        DocumentBlock::Quote(name, text) => {
            let (name, text) = (escaped(name), escaped(text));
            writeln!(page, "<figure><figcaption>{name}</figcaption><pre dir=\"auto\">{text}</pre></figure>")
        }
        DocumentBlock::Fields(rows) => {
            let row = |(name, value): &(String, String)| {
                format!("<tr><th scope=\"row\">{}<td dir=\"auto\">{}\n", escaped(name), escaped(value))
            };
            writeln!(page, "<table class=\"fields\">\n{}</table>", rows.iter().map(row).collect::<String>())
        }
        DocumentBlock::Grid { head, rows, .. } => {
            let head: Vec<_> = head.iter().map(|name| format!("<th scope=\"col\">{}", escaped(name))).collect();
            let cell = |text: &String| format!("<td dir=\"auto\">{}", escaped(text));
            let row = |row: &Vec<String>| format!("<tr>{}\n", row.iter().map(cell).collect::<String>());
            let rows: String = rows.iter().map(row).collect();
            writeln!(page, "<div class=\"wide\"><table class=\"grid\">\n<tr>{}\n{rows}</table></div>", head.concat())
        }
        DocumentBlock::Contents(name) => {
            let sections = blocks.iter().filter_map(|block| match block {
                DocumentBlock::Heading(1, text) => Some(text),
                _ => None,
            });
            let item = |(number, text): (usize, &String)| format!("<li><a href=\"#s{number}\">{}</a>\n", escaped(text));
            let items: String = (1..).zip(sections).map(item).collect();
            writeln!(page, "<nav><h2>{}</h2>\n<ol>\n{items}</ol></nav>", escaped(name))
        }
    };
}

/// The proof files, to save.
fn proofs(page: &mut String, dossier: &Dossier) {
    let links = dossier.proven().into_iter().map(|(event, proof)| {
        let (name, proof) = (event.file_name(), BASE64.encode(proof));
        format!("<li><a download=\"{name}\" href=\"data:text/plain;base64,{proof}\">{name}</a>\n")
    });
    let links: String = links.collect();
    if !links.is_empty() {
        let _ = writeln!(page, "<ul class=\"files\" dir=\"ltr\">\n{links}</ul>");
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
