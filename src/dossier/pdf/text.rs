//! From text to glyphs: lines of a width, in both directions of writing, in the fonts of this program.
//!
//! Noto Sans has Latin and Cyrillic letters, Noto Naskh Arabic the Arabic ones. What neither has is shown as `?`.

use std::cell::RefCell;
use std::collections::HashMap;

use harfrust::{Direction, FontRef, ShapeOptions, ShaperData, UnicodeBuffer};
use krilla::text::{Font, GlyphId, KrillaGlyph};
use unicode_bidi::{BidiInfo, Level};
use unicode_segmentation::UnicodeSegmentation;

/// Regular and bold: Noto Sans, then Noto Naskh Arabic.
const FONTS: [&[u8]; 4] = [
    include_bytes!("../fonts/NotoSans-Regular.ttf"),
    include_bytes!("../fonts/NotoSans-Bold.ttf"),
    include_bytes!("../fonts/NotoNaskhArabic-Regular.ttf"),
    include_bytes!("../fonts/NotoNaskhArabic-Bold.ttf"),
];

/// The fonts, ready to set text.
pub(super) struct Typesetter {
    faces: Vec<Face>,
    // Words come again and again, and the pages are laid out twice.
    widths: RefCell<HashMap<(String, bool), f32>>,
}

struct Face {
    font: Font,
    shaped: FontRef<'static>,
    data: ShaperData,
    units_per_em: f32,
}

/// How a text is set.
#[derive(Debug, Clone, Copy)]
pub(super) struct TextStyle {
    pub(super) size: f32,
    pub(super) is_bold: bool,
}

/// A line from left to right, as it is drawn.
#[derive(Debug, Clone)]
pub(super) struct TextLine {
    pub(super) runs: Vec<TextRun>,
    /// In points.
    pub(super) width: f32,
}

/// Glyphs of one font and direction.
#[derive(Debug, Clone)]
pub(super) struct TextRun {
    pub(super) face: usize,
    pub(super) text: String,
    pub(super) glyphs: Vec<KrillaGlyph>,
    /// In the size of the font.
    pub(super) width: f32,
}

impl Typesetter {
    /// Nothing if a font cannot be read.
    pub(super) fn new() -> Option<Self> {
        let face = |bytes: &'static [u8]| {
            let font = Font::new(bytes.into(), 0)?;
            let shaped = FontRef::new(bytes).ok()?;
            let data = ShaperData::new(&shaped);
            Some(Face { units_per_em: font.units_per_em(), font, shaped, data })
        };
        Some(Self { faces: FONTS.into_iter().map(face).collect::<Option<_>>()?, widths: RefCell::default() })
    }

    pub(super) fn font(&self, face: usize) -> Font {
        self.faces[face].font.clone()
    }

    /// `text` in lines that are at most `width` points wide. A word that is longer is broken.
    pub(super) fn lines(&self, text: &str, width: f32, style: TextStyle) -> Vec<TextLine> {
        let mut lines = Vec::new();
        for paragraph in text.split(['\n', '\u{2028}', '\u{2029}']) {
            let paragraph = self.shown(paragraph, style.is_bold);
            // A text without letters, such as a time, is written from left to right in every language.
            let is_rtl = unicode_bidi::get_base_direction(paragraph.as_str()) == unicode_bidi::Direction::Rtl;
            for line in self.broken(&paragraph, width / style.size, style.is_bold) {
                lines.push(self.line(&line, is_rtl, style));
            }
        }
        lines
    }

    /// What can be drawn of a text: no control characters, and `?` for what no font has.
    fn shown(&self, text: &str, is_bold: bool) -> String {
        let is_drawn = |c: &char| is_isolate(*c) || (!is_hidden(*c) && (!c.is_control() || *c == '\t'));
        let known = |c: char| {
            let c = if c.is_whitespace() { ' ' } else { c };
            let has_glyph = || self.shape(&c.to_string(), face_of(c, is_bold), false).iter().all(|it| it.0 != 0);
            if is_isolate(c) || has_glyph() { c } else { '?' }
        };
        text.chars().filter(is_drawn).map(|c| if c.is_ascii_graphic() { c } else { known(c) }).collect()
    }

    fn broken(&self, text: &str, width: f32, is_bold: bool) -> Vec<String> {
        let space = self.width(" ", is_bold);
        let (mut lines, mut line, mut used) = (Vec::new(), String::new(), 0.0);
        for word in text.split(' ') {
            let wide = self.width(word, is_bold);
            if !line.is_empty() && used + space + wide <= width {
                line.push(' ');
                line.push_str(word);
                used += space + wide;
                continue;
            }
            if !line.is_empty() {
                lines.push(std::mem::take(&mut line));
                used = 0.0;
            }
            if wide <= width {
                word.clone_into(&mut line);
                used = wide;
                continue;
            }
            for grapheme in word.graphemes(true) {
                let wide = self.width(grapheme, is_bold);
                if used + wide > width && !line.is_empty() {
                    lines.push(std::mem::take(&mut line));
                    used = 0.0;
                }
                line.push_str(grapheme);
                used += wide;
            }
        }
        lines.push(line);
        lines
    }

    /// In the size of the font.
    fn width(&self, text: &str, is_bold: bool) -> f32 {
        let key = (text.to_owned(), is_bold);
        if let Some(known) = self.widths.borrow().get(&key) {
            return *known;
        }
        let of_part = |(face, part): (usize, &str)| {
            let glyphs = self.shape(&without_isolates(part), face, is_arabic_face(face));
            scaled(glyphs.iter().map(|(_, _, advance, ..)| advance).sum(), self.faces[face].units_per_em)
        };
        let width = by_face(text, is_bold).into_iter().map(of_part).sum();
        self.widths.borrow_mut().insert(key, width);
        width
    }

    fn line(&self, text: &str, is_rtl: bool, style: TextStyle) -> TextLine {
        let bidi = BidiInfo::new(text, Some(if is_rtl { Level::rtl() } else { Level::ltr() }));
        let mut runs = Vec::new();
        for paragraph in &bidi.paragraphs {
            let (levels, ranges) = bidi.visual_runs(paragraph, paragraph.range.clone());
            for range in ranges {
                let is_rtl = levels.get(range.start).is_some_and(Level::is_rtl);
                let parts = by_face(text.get(range).unwrap_or_default(), style.is_bold);
                let parts = parts.into_iter().map(|(face, part)| (face, without_isolates(part)));
                let parts = parts.filter(|(_, part)| !part.is_empty());
                let mut parts: Vec<_> = parts.map(|(face, part)| self.run(&part, face, is_rtl)).collect();
                if is_rtl {
                    parts.reverse();
                }
                runs.extend(parts);
            }
        }
        let width = runs.iter().map(|run| run.width).sum::<f32>() * style.size;
        TextLine { runs, width }
    }

    fn run(&self, text: &str, face: usize, is_rtl: bool) -> TextRun {
        let shaped = self.shape(text, face, is_rtl);
        let units = self.faces[face].units_per_em;
        // A cluster ends where the next one begins; from right to left the next one stands before it.
        let mut starts: Vec<_> = shaped.iter().map(|(_, start, ..)| *start).collect();
        starts.sort_unstable();
        starts.push(text.len());
        let end_of = |start: usize| starts.iter().copied().find(|next| *next > start).unwrap_or(text.len());
        let glyph = |(id, start, advance, x, y): &(u32, usize, i32, i32, i32)| {
            KrillaGlyph::new(
                GlyphId::new(*id),
                scaled(*advance, units),
                scaled(*x, units),
                scaled(*y, units),
                0.0,
                *start..end_of(*start),
                None,
            )
        };
        let glyphs: Vec<_> = shaped.iter().map(glyph).collect();
        let width = glyphs.iter().map(|glyph| glyph.x_advance).sum();
        TextRun { face, text: text.to_owned(), glyphs, width }
    }

    /// Glyph, start of its cluster, advance and offsets, from left to right.
    fn shape(&self, text: &str, face: usize, is_rtl: bool) -> Vec<(u32, usize, i32, i32, i32)> {
        let Face { shaped, data, .. } = &self.faces[face];
        let mut buffer = UnicodeBuffer::new();
        buffer.push_str(text);
        buffer.guess_segment_properties();
        buffer.set_direction(if is_rtl { Direction::RightToLeft } else { Direction::LeftToRight });
        let glyphs = data.shaper(shaped).build().shape(buffer, ShapeOptions::default());
        let pairs = glyphs.glyph_infos().iter().zip(glyphs.glyph_positions());
        pairs.map(|(info, at)| (info.glyph_id, info.cluster as usize, at.x_advance, at.x_offset, at.y_offset)).collect()
    }
}

#[expect(clippy::cast_precision_loss, reason = "units of a font are small numbers")]
fn scaled(units: i32, units_per_em: f32) -> f32 {
    units as f32 / units_per_em
}

fn is_arabic(c: char) -> bool {
    matches!(c, '\u{600}'..='\u{6ff}' | '\u{750}'..='\u{77f}' | '\u{8a0}'..='\u{8ff}' | '\u{fb50}'..='\u{fdff}' | '\u{fe70}'..='\u{fefe}')
}

/// What has no form of its own: soft hyphens, joiners, and marks of direction.
const fn is_hidden(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// The marks around a value in a sentence, whose direction is its own. They order the text and are not drawn.
const fn is_isolate(c: char) -> bool {
    matches!(c, '\u{2066}'..='\u{2069}')
}

pub(super) fn without_isolates(text: &str) -> String {
    text.replace(is_isolate, "")
}

const fn is_arabic_face(face: usize) -> bool {
    face >= 2
}

fn face_of(c: char, is_bold: bool) -> usize {
    usize::from(is_bold) + if is_arabic(c) { 2 } else { 0 }
}

/// The parts of a text by font.
fn by_face(text: &str, is_bold: bool) -> Vec<(usize, &str)> {
    let mut parts = Vec::new();
    let (mut start, mut current) = (0, None);
    for (at, c) in text.char_indices() {
        // A mark belongs to the letter before it, and a space has the same width everywhere.
        let face = face_of(c, is_bold);
        match current {
            Some(known) if known != face && at > start => {
                parts.push((known, &text[start..at]));
                (start, current) = (at, Some(face));
            }
            _ => current = Some(face),
        }
    }
    parts.extend(current.map(|face| (face, &text[start..])));
    parts
}
