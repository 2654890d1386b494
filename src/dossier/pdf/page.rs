//! What stands on the pages: text and boxes, and the elements that they belong to.

use krilla::tagging::ArtifactType;

use super::text::TextLine;

/// A4, in points.
pub(super) const PAGE: (f32, f32) = (595.0, 842.0);

/// Something on a page.
#[derive(Debug)]
pub(super) struct Placed {
    pub(super) page: usize,
    pub(super) x: f32,
    /// The baseline of a line, the upper edge of a box.
    pub(super) y: f32,
    /// What it belongs to; nothing for what is not read.
    pub(super) node: Option<usize>,
    pub(super) item: PlacedItem,
}

#[derive(Debug)]
pub(super) enum PlacedItem {
    Line { line: TextLine, size: f32, color: TextColor },
    Box { width: f32, height: f32, color: TextColor },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TextColor {
    Ink,
    Grey,
    Accent,
    Rule,
    Shade,
}

/// An element of the tree.
#[derive(Debug)]
pub(super) struct PageNode {
    pub(super) kind: NodeKind,
    pub(super) parent: Option<usize>,
}

#[derive(Debug, Clone)]
pub(super) enum NodeKind {
    Paragraph,
    /// Its level, and its text for readers that list headings.
    Heading(u8, String),
    Table,
    Row,
    RowHead,
    ColumnHead,
    Cell,
    List,
    Item,
    ItemBody,
    Link,
}

/// A line of the contents that leads to its section.
#[derive(Debug)]
pub(super) struct ContentsLink {
    pub(super) page: usize,
    /// The upper edge.
    pub(super) y: f32,
    pub(super) height: f32,
    /// The element that it belongs to.
    pub(super) node: usize,
    /// The position of the section.
    pub(super) section: usize,
}

/// A heading of level 1, and where it is.
#[derive(Debug)]
pub(super) struct Section {
    pub(super) text: String,
    pub(super) page: usize,
    pub(super) y: f32,
}

impl TextColor {
    pub(super) const fn rgb(self) -> [u8; 3] {
        match self {
            Self::Ink => [26, 31, 43],
            Self::Grey => [84, 93, 107],
            Self::Accent => [31, 78, 121],
            Self::Rule => [222, 226, 231],
            Self::Shade => [244, 246, 248],
        }
    }
}

impl Placed {
    pub(super) fn artifact(&self) -> ArtifactType {
        match self.item {
            PlacedItem::Line { .. } => ArtifactType::Footer,
            PlacedItem::Box { .. } => ArtifactType::Layout,
        }
    }
}
