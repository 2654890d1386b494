//! Where everything stands on the pages, and the tree that says what it is.
//!
//! A start is the left edge, or the right edge in a document that is written from right to left.

use super::page::{ContentsLink, NodeKind, PAGE, PageNode, Placed, PlacedItem, Section, TextColor};
use super::text::{TextLine, TextStyle, Typesetter, without_isolates};
use crate::dossier::content::DocumentBlock;

pub(super) const MARGIN: f32 = 56.0;
const TOP: f32 = 60.0;
const BOTTOM: f32 = PAGE.1 - 68.0;
pub(super) const WIDTH: f32 = PAGE.0 - 2.0 * MARGIN;
const LABELS: f32 = 150.0;
const GAP: f32 = 10.0;
/// A line of the contents.
const CONTENTS_LINE: f32 = 18.0;
/// Above and below a text on shaded ground.
const PADDING: f32 = 4.0;
/// A part that is higher than this may be divided between pages.
const KEPT_TOGETHER: f32 = 120.0;

/// A cell of a row: what it is, where it starts, how wide it is, and its text.
struct RowCell<'a> {
    kind: NodeKind,
    start: f32,
    width: f32,
    text: &'a str,
    is_bold: bool,
    color: TextColor,
}

/// The pages while they are filled.
pub(super) struct DossierPages<'a> {
    typesetter: &'a Typesetter,
    is_rtl: bool,
    page: usize,
    y: f32,
    pub(super) placed: Vec<Placed>,
    pub(super) nodes: Vec<PageNode>,
    pub(super) sections: Vec<Section>,
    pub(super) links: Vec<ContentsLink>,
}

impl<'a> DossierPages<'a> {
    pub(super) fn new(typesetter: &'a Typesetter, is_rtl: bool) -> Self {
        let (placed, nodes, sections, links) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        Self { typesetter, is_rtl, page: 0, y: TOP, placed, nodes, sections, links }
    }

    /// Places all blocks. `pages` are the numbers that the contents show, as far as they are known.
    pub(super) fn with_blocks(mut self, blocks: &[DocumentBlock], pages: &[usize]) -> Self {
        for block in blocks {
            self.block(block, blocks, pages);
        }
        self
    }

    pub(super) fn page_count(&self) -> usize {
        self.page + 1
    }

    /// The page of each section, from 1.
    pub(super) fn pages_of_sections(&self) -> Vec<usize> {
        self.sections.iter().map(|section| section.page + 1).collect()
    }

    /// Writes `left` and the number of the page at the foot of each page.
    pub(super) fn add_feet(&mut self, number: impl Fn(usize, usize) -> String, left: &str) {
        let (style, count) = (Self::style(8.0, false), self.page_count());
        for page in 0..count {
            self.page = page;
            for (text, is_end) in [(left.to_owned(), false), (number(page + 1, count), true)] {
                let Some(line) = self.typesetter.lines(&text, WIDTH * 0.8, style).into_iter().next() else { continue };
                let start = if is_end { WIDTH - line.width } else { 0.0 };
                self.y = PAGE.1 - 36.0;
                self.put(line, start, 8.0, TextColor::Grey, None);
            }
        }
    }

    fn block(&mut self, block: &DocumentBlock, blocks: &[DocumentBlock], pages: &[usize]) {
        match block {
            DocumentBlock::Title(text) => {
                self.bar(36.0);
                self.y += 12.0;
                self.text(text, 24.0, true, TextColor::Ink, NodeKind::Heading(1, without_isolates(text)));
                self.y += 6.0;
            }
            DocumentBlock::Heading(1, text) => self.section(text),
            DocumentBlock::Heading(level, text) => {
                let (size, color) = if *level == 2 { (12.0, TextColor::Accent) } else { (10.0, TextColor::Ink) };
                self.y += if *level == 2 { 14.0 } else { 6.0 };
                // A heading does not stand alone at the foot of a page.
                self.ensure(72.0);
                self.text(text, size, true, color, NodeKind::Heading(level + 1, without_isolates(text)));
                self.y += 2.0;
            }
            DocumentBlock::Paragraph(text) => {
                self.text(text, 10.0, false, TextColor::Ink, NodeKind::Paragraph);
                self.y += 4.0;
            }
            DocumentBlock::Lead(text) => self.boxed(text, 11.0, true, TextColor::Accent),
            DocumentBlock::Note(text) => {
                self.y += 2.0;
                self.text(text, 8.5, false, TextColor::Grey, NodeKind::Paragraph);
                self.y += 2.0;
            }
            DocumentBlock::Quote(name, text) => {
                self.y += 4.0;
                self.ensure(48.0);
                self.text(name, 8.0, false, TextColor::Grey, NodeKind::Paragraph);
                self.boxed(text, 9.0, false, TextColor::Rule);
            }
            DocumentBlock::Fields(rows) => self.fields(rows),
            DocumentBlock::Grid { head, rows, widths } => self.grid(head, rows, widths),
            DocumentBlock::Contents(name) => self.contents(name, blocks, pages),
        }
    }

    fn section(&mut self, text: &str) {
        // The first section stays on the first page if that has room.
        if !self.sections.is_empty() || self.y > PAGE.1 / 2.0 {
            self.new_page();
        } else {
            self.y += 22.0;
        }
        self.sections.push(Section { text: without_isolates(text), page: self.page, y: self.y - 4.0 });
        self.text(text, 15.0, true, TextColor::Ink, NodeKind::Heading(2, without_isolates(text)));
        self.y += 4.0;
    }

    fn fields(&mut self, rows: &[(String, String)]) {
        let table = self.node(NodeKind::Table, None);
        for (name, value) in rows {
            let name = RowCell {
                kind: NodeKind::RowHead,
                start: 0.0,
                width: LABELS - GAP,
                text: name,
                is_bold: false,
                color: TextColor::Grey,
            };
            let (start, width) = (LABELS, WIDTH - LABELS);
            let value =
                RowCell { kind: NodeKind::Cell, start, width, text: value, is_bold: false, color: TextColor::Ink };
            self.row(table, &[name, value], 9.5);
        }
        self.y += 4.0;
    }

    fn grid(&mut self, head: &[String], rows: &[Vec<String>], widths: &[u8]) {
        let table = self.node(NodeKind::Table, None);
        for (texts, is_head) in std::iter::once((head, true)).chain(rows.iter().map(|row| (row.as_slice(), false))) {
            let (mut row, mut start) = (Vec::new(), 0.0);
            for (text, hundredths) in texts.iter().zip(widths) {
                let width = WIDTH * f32::from(*hundredths) / 100.0;
                let kind = if is_head { NodeKind::ColumnHead } else { NodeKind::Cell };
                let color = if is_head { TextColor::Grey } else { TextColor::Ink };
                row.push(RowCell { kind, start, width: width - GAP, text, is_bold: is_head, color });
                start += width;
            }
            self.row(table, &row, 8.5);
        }
        self.y += 4.0;
    }

    fn row(&mut self, table: usize, cells: &[RowCell<'_>], size: f32) {
        let leading = size * 1.45;
        let row = self.node(NodeKind::Row, Some(table));
        let mut columns = Vec::new();
        for cell in cells {
            let node = self.node(cell.kind.clone(), Some(row));
            let lines = self.typesetter.lines(cell.text, cell.width, Self::style(size, cell.is_bold));
            columns.push((node, cell, lines.into_iter()));
        }
        let height = columns.iter().map(|(.., lines)| lines.len()).max().unwrap_or(0);
        self.ensure_lines(height, leading);
        self.y += 2.5;
        for _ in 0..height {
            self.ensure(leading);
            self.y += leading;
            for (node, cell, lines) in &mut columns {
                if let Some(line) = lines.next() {
                    self.put(line, cell.start, size, cell.color, Some(*node));
                }
            }
        }
        self.y += 4.5;
        self.rule();
    }

    fn contents(&mut self, name: &str, blocks: &[DocumentBlock], pages: &[usize]) {
        self.y += 16.0;
        self.text(name, 13.0, true, TextColor::Accent, NodeKind::Heading(2, without_isolates(name)));
        self.y += 4.0;
        let list = self.node(NodeKind::List, None);
        let sections = blocks.iter().filter_map(|block| match block {
            DocumentBlock::Heading(1, text) => Some(text),
            _ => None,
        });
        for (at, text) in sections.enumerate() {
            let item = self.node(NodeKind::Item, Some(list));
            let body = self.node(NodeKind::ItemBody, Some(item));
            let link = self.node(NodeKind::Link, Some(body));
            let style = Self::style(10.0, false);
            let number = pages.get(at).map_or_else(String::new, usize::to_string);
            self.ensure(CONTENTS_LINE);
            self.y += CONTENTS_LINE;
            let (y, height) = (self.y - CONTENTS_LINE + 5.0, CONTENTS_LINE);
            self.links.push(ContentsLink { page: self.page, y, height, node: link, section: at });
            // One line each, so that the numbers of the pages do not depend on the contents.
            if let Some(line) = self.typesetter.lines(text, WIDTH - 40.0, style).into_iter().next() {
                self.put(line, 0.0, 10.0, TextColor::Ink, Some(link));
            }
            if let Some(line) = self.typesetter.lines(&number, 40.0, style).into_iter().next() {
                let start = WIDTH - line.width;
                self.put(line, start, 10.0, TextColor::Ink, Some(link));
            }
        }
        self.new_page();
    }

    /// A text on a shaded ground behind a bar.
    fn boxed(&mut self, text: &str, size: f32, is_bold: bool, bar: TextColor) {
        let (leading, node) = (size * 1.5, self.node(NodeKind::Paragraph, None));
        let lines = self.typesetter.lines(text, WIDTH - 24.0, Self::style(size, is_bold));
        self.ensure_lines(lines.len(), leading);
        self.y += 4.0;
        self.ground(PADDING, bar);
        for line in lines {
            if self.y + leading > BOTTOM {
                self.new_page();
            }
            let top = self.y;
            self.ground(leading, bar);
            let next = std::mem::replace(&mut self.y, top + leading * 0.75);
            self.put(line, 12.0, size, TextColor::Ink, Some(node));
            self.y = next;
        }
        self.ground(PADDING, bar);
        self.y += 6.0;
    }

    /// A strip of shaded ground behind a bar. Strips overlap a little, or a line of light shows between them.
    fn ground(&mut self, height: f32, bar: TextColor) {
        self.fill(0.0, WIDTH, height + 0.5, TextColor::Shade);
        self.fill(0.0, 3.0, height + 0.5, bar);
        self.y += height;
    }

    fn text(&mut self, text: &str, size: f32, is_bold: bool, color: TextColor, kind: NodeKind) {
        let (leading, node) = (size * 1.45, self.node(kind, None));
        let lines = self.typesetter.lines(text, WIDTH, Self::style(size, is_bold));
        self.ensure_lines(lines.len(), leading);
        for line in lines {
            self.ensure(leading);
            self.y += leading;
            self.put(line, 0.0, size, color, Some(node));
        }
    }

    fn style(size: f32, is_bold: bool) -> TextStyle {
        TextStyle { size, is_bold }
    }

    fn node(&mut self, kind: NodeKind, parent: Option<usize>) -> usize {
        self.nodes.push(PageNode { kind, parent });
        self.nodes.len() - 1
    }

    fn put(&mut self, line: TextLine, start: f32, size: f32, color: TextColor, node: Option<usize>) {
        let x = if self.is_rtl { PAGE.0 - MARGIN - start - line.width } else { MARGIN + start };
        // An empty line has nothing that could be tagged.
        if !line.runs.is_empty() {
            let (page, y) = (self.page, self.y);
            self.placed.push(Placed { page, x, y, node, item: PlacedItem::Line { line, size, color } });
        }
    }

    fn fill(&mut self, start: f32, width: f32, height: f32, color: TextColor) {
        let x = if self.is_rtl { PAGE.0 - MARGIN - start - width } else { MARGIN + start };
        let item = PlacedItem::Box { width, height, color };
        self.placed.push(Placed { page: self.page, x, y: self.y, node: None, item });
    }

    fn rule(&mut self) {
        self.fill(0.0, WIDTH, 0.6, TextColor::Rule);
    }

    fn bar(&mut self, width: f32) {
        self.fill(0.0, width, 4.0, TextColor::Accent);
    }

    /// Begins a page unless this one has so much room.
    fn ensure(&mut self, height: f32) {
        if self.y + height > BOTTOM {
            self.new_page();
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "a page has few lines")]
    fn ensure_lines(&mut self, lines: usize, leading: f32) {
        self.ensure((lines as f32 * leading).min(KEPT_TOGETHER));
    }

    fn new_page(&mut self) {
        self.page += 1;
        self.y = TOP;
    }
}
