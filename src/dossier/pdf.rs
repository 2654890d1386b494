//! The dossier as PDF/A-3a and PDF/UA-1: for archives and for everybody, tagged, with embedded fonts, and with the proofs
//! attached. The validators of krilla are the gate: a document that they do not accept is not written.

mod layout;
mod page;
mod text;

use std::num::NonZeroU16;

use krilla::annotation::{Annotation, LinkAnnotation, Target};
use krilla::color::rgb;
use krilla::configure::{Accessibility, Archival, ConfigurationBuilder};
use krilla::destination::XyzDestination;
use krilla::embed::{AssociationKind, EmbeddedFile, MimeType};
use krilla::geom::{PathBuilder, Point, Rect};
use krilla::metadata::{DateTime, Metadata, TextDirection};
use krilla::outline::{Outline, OutlineNode};
use krilla::page::PageSettings;
use krilla::paint::Fill;
use krilla::surface::Surface;
use krilla::tagging::{Artifact, ContentTag, Identifier, ListNumbering, SpanTag, TableHeaderScope};
use krilla::tagging::{Tag, TagGroup, TagTree};
use krilla::{Document, SerializeSettings};

use super::{Dossier, DossierWords, content};
use layout::{DossierPages, MARGIN, WIDTH};
use page::{ContentsLink, NodeKind, PAGE, Placed, PlacedItem, TextColor};
use text::Typesetter;

/// Why a document cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("a font in this program cannot be read")]
    Font,
    #[error("the PDF is not valid (PDF/A-3a, PDF/UA-1) and was not written: {0}")]
    NotValid(String),
}

/// The file.
pub fn render(dossier: &Dossier, words: &DossierWords) -> Result<Vec<u8>, Error> {
    let typesetter = Typesetter::new().ok_or(Error::Font)?;
    let blocks = content::of(dossier, words);
    let foot = words.fill("made", &[("time", &content::moment(&dossier.made_at)), ("operator", &dossier.made_by)]);
    let new = || DossierPages::new(&typesetter, words.is_rtl());
    // The first time, to know on which page each section begins.
    let pages = new().with_blocks(&blocks, &[]).pages_of_sections();
    let mut layout = new().with_blocks(&blocks, &pages);
    layout.add_feet(
        |page, count| {
            let place = [("page", page.to_string()), ("pages", count.to_string())];
            words.fill("page", &place.each_ref().map(|(name, value)| (*name, value.as_str())))
        },
        &foot,
    );
    let mut document = Document::new_with(settings()?);
    let content = draw(&mut document, &layout, &typesetter);
    document.set_metadata(metadata(dossier, words));
    document.set_outline(outline(&layout));
    document.set_tag_tree(tag_tree(&layout, content, words.tag()));
    attach(&mut document, dossier);
    document.finish().map_err(|error| Error::NotValid(format!("{error:?}")))
}

fn settings() -> Result<SerializeSettings, Error> {
    let configuration = ConfigurationBuilder::new()
        .with_archival_validator(Archival::A3_A)
        .with_accessibility_validator(Accessibility::UA1);
    let configuration = configuration.finish().map_err(|error| Error::NotValid(format!("{error:?}")))?;
    Ok(SerializeSettings { configuration, ..SerializeSettings::default() })
}

fn metadata(dossier: &Dossier, words: &DossierWords) -> Metadata {
    let direction = if words.is_rtl() { TextDirection::RightToLeft } else { TextDirection::LeftToRight };
    let metadata = Metadata::new()
        .title(words.get("title").to_owned())
        .language(words.tag().to_owned())
        .creator("otpost".to_owned())
        .text_direction(direction);
    match date(&dossier.made_at) {
        Some(date) => metadata.creation_date(date),
        None => metadata,
    }
}

/// The time in `2026-11-27T13:22:06.123Z`.
fn date(time: &str) -> Option<DateTime> {
    let number = |from: usize, to: usize| time.get(from..to)?.parse::<u8>().ok();
    let date = DateTime::new(time.get(..4)?.parse().ok()?).month(number(5, 7)?).day(number(8, 10)?);
    Some(date.hour(number(11, 13)?).minute(number(14, 16)?).second(number(17, 19)?).utc_offset_hour(0))
}

/// Draws the pages. Returns the content of each node.
fn draw(document: &mut Document, layout: &DossierPages<'_>, typesetter: &Typesetter) -> Vec<Vec<Identifier>> {
    let mut content = vec![Vec::new(); layout.nodes.len()];
    for number in 0..layout.page_count() {
        let Some(settings) = PageSettings::from_wh(PAGE.0, PAGE.1) else { continue };
        let mut page = document.start_page_with(settings);
        let mut surface = page.surface();
        for placed in layout.placed.iter().filter(|placed| placed.page == number) {
            let tag = match placed.node {
                Some(_) => ContentTag::Span(SpanTag::empty()),
                None => ContentTag::Artifact(Artifact::with_kind(placed.artifact())),
            };
            let id = surface.start_tagged(tag);
            draw_item(&mut surface, placed, typesetter);
            surface.end_tagged();
            if let Some(node) = placed.node {
                content[node].push(id);
            }
        }
        surface.finish();
        for link in layout.links.iter().filter(|link| link.page == number) {
            content[link.node].extend(annotation(link, layout).map(|link| page.add_tagged_annotation(link)));
        }
        page.finish();
    }
    content
}

fn annotation(link: &ContentsLink, layout: &DossierPages<'_>) -> Option<Annotation> {
    let section = layout.sections.get(link.section)?;
    let place = XyzDestination::new(section.page, Point::from_xy(0.0, section.y));
    let rect = Rect::from_xywh(MARGIN, link.y, WIDTH, link.height)?;
    let to_section = LinkAnnotation::new(rect, Target::Destination(place.into()));
    Some(Annotation::new_link(to_section, Some(section.text.clone())))
}

fn draw_item(surface: &mut Surface<'_>, placed: &Placed, typesetter: &Typesetter) {
    match &placed.item {
        PlacedItem::Line { line, size, color } => {
            surface.set_fill(Some(fill(*color)));
            let mut x = placed.x;
            for run in &line.runs {
                let font = typesetter.font(run.face);
                surface.draw_glyphs(Point::from_xy(x, placed.y), &run.glyphs, font, &run.text, *size, false);
                x += run.width * size;
            }
        }
        PlacedItem::Box { width, height, color } => {
            let rect = Rect::from_xywh(placed.x, placed.y, *width, *height);
            let path = rect.and_then(|rect| {
                let mut path = PathBuilder::new();
                path.push_rect(rect);
                path.finish()
            });
            if let Some(path) = path {
                surface.set_fill(Some(fill(*color)));
                surface.draw_path(&path);
            }
        }
    }
}

fn fill(color: TextColor) -> Fill {
    let [red, green, blue] = color.rgb();
    Fill { paint: rgb::Color::new(red, green, blue).into(), ..Fill::default() }
}

fn outline(layout: &DossierPages<'_>) -> Outline {
    let mut outline = Outline::new();
    for section in &layout.sections {
        let place = XyzDestination::new(section.page, Point::from_xy(0.0, section.y));
        outline.push_child(OutlineNode::new(section.text.clone(), place));
    }
    outline
}

fn tag_tree(layout: &DossierPages<'_>, content: Vec<Vec<Identifier>>, language: &str) -> TagTree {
    let mut groups: Vec<Option<TagGroup>> = Vec::new();
    for (node, content) in layout.nodes.iter().zip(content) {
        let mut group = group(&node.kind);
        for id in content {
            group.push(id);
        }
        groups.push(Some(group));
    }
    // A node stands before its children: from the last one, each is complete when it is put into its parent. Children are
    // collected first, because that order is the wrong one for reading.
    let mut children: Vec<Vec<TagGroup>> = layout.nodes.iter().map(|_| Vec::new()).collect();
    let mut tree = TagTree::new().with_lang(Some(language.to_owned()));
    let mut top = Vec::new();
    for (number, node) in layout.nodes.iter().enumerate().rev() {
        let Some(mut group) = groups[number].take() else { continue };
        let own = std::mem::take(&mut children[number]);
        for child in own.into_iter().rev() {
            group.push(child);
        }
        match node.parent {
            Some(parent) => children[parent].push(group),
            None => top.push(group),
        }
    }
    for group in top.into_iter().rev() {
        tree.push(group);
    }
    tree
}

fn group(kind: &NodeKind) -> TagGroup {
    match kind {
        NodeKind::Paragraph => TagGroup::new(Tag::P),
        NodeKind::Heading(level, text) => {
            TagGroup::new(Tag::Hn(NonZeroU16::new((*level).into()).unwrap_or(NonZeroU16::MIN), Some(text.clone())))
        }
        NodeKind::Table => TagGroup::new(Tag::Table),
        NodeKind::Row => TagGroup::new(Tag::TR),
        NodeKind::RowHead => TagGroup::new(Tag::TH(TableHeaderScope::Row)),
        NodeKind::ColumnHead => TagGroup::new(Tag::TH(TableHeaderScope::Column)),
        NodeKind::Cell => TagGroup::new(Tag::TD),
        NodeKind::List => TagGroup::new(Tag::L(ListNumbering::None)),
        NodeKind::Item => TagGroup::new(Tag::LI),
        NodeKind::ItemBody => TagGroup::new(Tag::LBody),
        NodeKind::Link => TagGroup::new(Tag::Link),
    }
}

fn attach(document: &mut Document, dossier: &Dossier) {
    for (event, proof) in dossier.proven() {
        let file = EmbeddedFile {
            path: event.file_name(),
            mime_type: MimeType::new("text/plain"),
            description: Some(format!("{}: {} ({})", event.index, event.kind, event.at)),
            association_kind: AssociationKind::Supplement,
            data: proof.as_bytes().to_vec().into(),
            modification_date: date(&dossier.made_at),
            compress: None,
            location: None,
        };
        let _ = document.embed_file(file);
    }
}
