//! Every page at the width of a phone, of a pane beside a list, and of a desk, in one run of Chromium.

use std::path::Path;

use otpost::domain::notification::{Content, Kind};
use otpost::domain::outbound_message::RenderedMessage;
use otpost::render::{MailSettings, Renderer};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{CODE, code, example, renderer, written};
use crate::support::python;

const WIDTHS: [u32; 4] = [320, 375, 640, 1200];

const LONGEST_CODE: &str = "MWMWMWMWMWMWMWMW";

/// WCAG 2.2, 1.4.3, level AA.
const CONTRAST_MIN: f64 = 4.5;

/// A page at one width, as the browser laid it out; lengths are CSS pixels.
#[derive(Debug, Deserialize)]
struct Page {
    name: String,
    width: f64,
    overflow: f64,
    headlines: u32,
    contrast: f64,
    clipped: Vec<String>,
    direction: String,
    align: String,
    lang: String,
    card: f64,
    text_size: f64,
    code: Option<ShownCode>,
    empty: u32,
    logo: Option<Logo>,
}

#[derive(Debug, Deserialize)]
struct ShownCode {
    text: String,
    size: f64,
    direction: String,
    lines: u32,
}

#[derive(Debug, Deserialize)]
struct Logo {
    width: f64,
    height: f64,
    shown: bool,
}

#[test]
fn every_mail_can_be_read_on_a_phone_in_a_pane_and_on_a_desk() {
    let plain = renderer("Bank Testowy", MailSettings::default());
    let mut pages: Vec<_> = Kind::ALL.map(|kind| page(&plain, &example(kind), "en")).into();
    for tag in ["ar", "de", "pl", "uk"] {
        pages.extend([Kind::Otp, Kind::Transaction].map(|kind| page(&plain, &example(kind), tag)));
    }
    let long = "W".repeat(60);
    pages.push(named(page(&plain, &code(LONGEST_CODE, &long), "de"), "longest-de"));
    let mut dark = named(page(&plain, &example(Kind::Otp), "en"), "otp-en-dark");
    dark["dark"] = true.into();
    pages.push(dark);

    for page in measured(&pages) {
        let about = format!("{page:?}");
        assert!(page.overflow <= 0.0 && page.clipped.is_empty() && page.empty == 0 && page.headlines == 1, "{about}");
        assert!(page.contrast >= CONTRAST_MIN && page.text_size >= 13.0, "{about}");
        assert!(page.card <= 600.0 && (page.card >= page.width - 24.5 || page.width > 600.0), "{about}");
        let (direction, align) = if page.lang == "ar" { ("rtl", "right") } else { ("ltr", "left") };
        assert_eq!((page.direction.as_str(), page.align.as_str()), (direction, align), "{about}");
        assert_eq!(page.code.is_some(), page.name.contains("otp") || page.name.contains("longest"), "{about}");
        if let Some(code) = page.code {
            assert!(code.size >= 24.0 && code.direction == "ltr", "{about}");
            assert!(code.lines == 1 && [CODE, LONGEST_CODE].contains(&code.text.as_str()), "{about}");
        }
    }
}

#[test]
fn a_logo_is_shown_where_pictures_are_and_the_name_where_they_are_not() {
    // Each page has a picture of its own, or the browser would remember it.
    let dress = |mood: &str, color: &str, background: &str| MailSettings {
        logo: format!("https://bank.example/{mood}-{}.svg", &color[1..]),
        color: color.into(),
        background: background.into(),
        footer: "Testbank S.A., ul. Przykładowa 1, 00-001 Warszawa\nReplies to this message are not read.".into(),
    };
    let mut pages = Vec::new();
    for (name, color, background) in [
        ("blue", "#0b5fff", "#eef2f7"),
        ("yellow", "#ffd500", "#ffffff"),
        ("night", "#0f172a", "#1e293b"),
        ("mid", "#7f7f7f", "#808080"),
    ] {
        for (mood, shown) in [("logo", true), ("no-logo", false)] {
            let renderer = renderer("Testbank", dress(mood, color, background));
            let mut page = named(page(&renderer, &example(Kind::Otp), "pl"), &format!("{mood}-{name}"));
            page["logo"] = shown.into();
            pages.push(page);
        }
    }

    for page in measured(&pages) {
        let about = format!("{page:?}");
        assert!(page.overflow <= 0.0 && page.clipped.is_empty() && page.contrast >= CONTRAST_MIN, "{about}");
        let logo = page.logo.unwrap();
        assert_eq!(logo.shown, page.name.starts_with("logo"), "{about}");
        assert!(logo.width <= 240.0 && (logo.height - 40.0).abs() < 1.0, "{about}");
    }
}

fn page(renderer: &Renderer, content: &Content, tag: &str) -> Value {
    let RenderedMessage::Email { html, .. } = written(renderer, content, tag) else { panic!("not a mail") };
    json!({ "name": format!("{}-{tag}", content.kind()), "html": html.reveal() })
}

fn named(mut page: Value, name: &str) -> Value {
    page["name"] = name.into();
    page
}

fn measured(pages: &[Value]) -> Vec<Page> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/mails");
    std::fs::create_dir_all(&folder).unwrap();
    let asked = json!({ "pages": pages, "widths": WIDTHS, "folder": folder });
    let found: Vec<Page> = serde_json::from_str(&python::run(include_str!("../support/browser.py"), &asked)).unwrap();
    assert_eq!(found.len(), pages.len() * WIDTHS.len());
    found
}
