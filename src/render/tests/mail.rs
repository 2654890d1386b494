//! The HTML of mails: the same text as the plain text, in a page that every mail program can show.

use super::*;

/// Gmail hides what lies behind 102 KB. Ours has room for a longer text than any here.
const PAGE_MAX: usize = 20_000;

/// Everything that chooses words, in every kind.
fn everything() -> Vec<(String, Content)> {
    Kind::ALL.into_iter().flat_map(snapshots::cases).collect()
}

/// The text between tags, its blanks and line ends as one blank each.
fn said(html: &str) -> String {
    let mut text = String::new();
    for part in html.split('<') {
        text.push_str(part.split_once('>').map_or(part, |(_, text)| text));
    }
    for (entity, sign) in
        [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&#x27;", "'"), ("&nbsp;", " "), ("&amp;", "&")]
    {
        text = text.replace(entity, sign);
    }
    squeezed(&text)
}

// Where plain text has marks around a value, HTML has an element.
fn squeezed(text: &str) -> String {
    let text = text.replace(['\u{2068}', '\u{2069}'], "");
    text.split([' ', '\n']).filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

fn between<'a>(html: &'a str, from: &str, to: &str) -> &'a str {
    html.split_once(from).unwrap().1.split_once(to).unwrap().0
}

fn content_of(html: &str) -> &str {
    between(html, "</h1>\n", "\n</td></tr>\n<tr><td align")
}

/// Every element, checked to be closed in order; with the elements it lies in.
fn elements(html: &str) -> Vec<(String, Vec<String>)> {
    let (mut open, mut seen): (Vec<String>, Vec<_>) = (Vec::new(), Vec::new());
    for part in html.split('<').skip(1) {
        let name: String = part.chars().take_while(|c| !c.is_whitespace() && *c != '>').collect();
        match name.strip_prefix('/') {
            Some(closed) => assert_eq!(open.pop().as_deref(), Some(closed), "in {html}"),
            None if name.starts_with('!') || matches!(name.as_str(), "meta" | "br" | "img") => {}
            None => {
                seen.push((name.clone(), open.clone()));
                open.push(name);
            }
        }
    }
    assert_eq!(open, [""; 0]);
    seen
}

#[test]
fn the_html_of_a_mail_says_the_same_as_its_text_under_the_same_title() {
    let renderer = revealing();
    for tag in SHIPPED_LOCALES {
        for (about, content) in everything() {
            let mail = rendered(&renderer, &content, Channel::Email, tag);
            assert_eq!(said(content_of(&mail[2])), squeezed(&mail[1]), "{tag} {about}");
            assert_eq!(said(between(&mail[2], "<title>", "</title>")), squeezed(&mail[0]), "{tag} {about}");
            let headline = said(between(&mail[2], "<h1 ", "</h1>").split_once('>').unwrap().1).to_lowercase();
            assert!(mail[0].to_lowercase().contains(&headline) && !headline.contains("bank"), "{tag} {headline}");
        }
    }
}

#[test]
fn a_page_is_whole_whatever_its_text_chooses() {
    let renderer = revealing();
    for tag in SHIPPED_LOCALES {
        for (about, content) in everything() {
            let html = rendered(&renderer, &content, Channel::Email, tag).remove(2);
            let elements = elements(&html);
            let count = |wanted: &str| elements.iter().filter(|(name, _)| name == wanted).count();
            assert_eq!((count("h1"), count("title"), count("script") + count("style")), (1, 1, 0), "{tag} {about}");
            for (name, around) in &elements {
                let is_block = matches!(name.as_str(), "p" | "table" | "h1" | "div");
                assert!(!(is_block && around.contains(&"p".to_owned())), "{tag} {about}: {name} in a paragraph");
            }
            let paragraphs = html.split("<p ").skip(1).map(|part| part.split_once('>').unwrap().1);
            assert!(
                paragraphs.clone().all(|text| !said(text.split("</p>").next().unwrap()).is_empty()),
                "{tag} {about}"
            );
            assert!(!html.contains("<br>\n</p>") && !html.contains("<br>\n<br>"), "{tag} {about}");
            assert_eq!(html.matches("<table").count(), html.matches("<table role=\"presentation\"").count());
            assert!(html.len() < PAGE_MAX, "{tag} {about}: {} bytes", html.len());
        }
    }
}

#[test]
fn the_longest_page_is_shown_whole() {
    let (_dir, settings) = shipped();
    let mail = MailSettings {
        logo: "https://bank.example/logo.png".into(),
        footer: "ż".repeat(1000),
        ..MailSettings::default()
    };
    let renderer = Renderer::load(&Settings { mail, brand: "W".repeat(40), ..settings }).unwrap();
    for tag in SHIPPED_LOCALES {
        for content in [otp(&"&".repeat(5000)), paid(TransactionResult::Reversed, true, &"\"".repeat(99), "1234")] {
            let length = rendered(&renderer, &content, Channel::Email, tag)[2].len();
            assert!(length < PAGE_MAX, "{tag}: {length}");
        }
    }
}

#[test]
fn a_code_stands_alone_and_where_no_list_of_mails_shows_it() {
    let renderer = renderer();
    for tag in SHIPPED_LOCALES {
        let html = rendered(&renderer, &otp("Allegro"), Channel::Email, tag).remove(2);
        assert_eq!(html.matches("048291").count(), 1, "{tag}");
        let code = between(&html, "<p dir=\"ltr\" ", "</p>").split_once('>').unwrap().1;
        assert_eq!(code, "048291");
        let preheader = between(&html, "<div style=\"display:none", "</div>");
        assert!(preheader.contains("Allegro") && preheader.matches("&zwnj;").count() > 50, "{tag}: {preheader}");
    }
}

#[test]
fn a_page_reads_in_the_direction_of_its_language() {
    let (dir, settings) = shipped();
    let english = dir.path().join("en");
    for tag in ["he", "fa", "ur", "az-Arab", "az"] {
        fs::create_dir_all(dir.path().join(tag)).unwrap();
        fs::copy(english.join("locale.toml"), dir.path().join(tag).join("locale.toml")).unwrap();
        for kind in fs::read_dir(&english).unwrap().map(|kind| kind.unwrap().path()).filter(|kind| kind.is_dir()) {
            let folder = dir.path().join(tag).join(kind.file_name().unwrap());
            fs::create_dir_all(&folder).unwrap();
            for file in fs::read_dir(&kind).unwrap().map(|file| file.unwrap().path()) {
                fs::copy(&file, folder.join(file.file_name().unwrap())).unwrap();
            }
        }
    }
    let renderer = Renderer::load(&settings).unwrap();
    for (tag, direction, side) in [
        ("ar", "rtl", "right"),
        ("he", "rtl", "right"),
        ("fa", "rtl", "right"),
        ("ur", "rtl", "right"),
        ("az-Arab", "rtl", "right"),
        ("az", "ltr", "left"),
        ("en", "ltr", "left"),
        ("uk", "ltr", "left"),
    ] {
        let html = rendered(&renderer, &otp("Allegro"), Channel::Email, tag).remove(2).replace("<p dir=\"ltr\"", "");
        assert!(html.contains(&format!("<html lang=\"{tag}\" dir=\"{direction}\">")), "{html}");
        assert_eq!(html.matches(&format!(" dir=\"{direction}\"")).count(), 5, "{tag}");
        assert_eq!(html.matches(&format!("align:{side}")).count(), 3, "{tag}");
    }
}

#[test]
fn html_of_ones_own_stands_between_head_and_foot() {
    let (dir, settings) = shipped();
    let file = dir.path().join("pl/otp/email.html.hbs");
    fs::write(&file, "<h2>{{merchant}}</h2>\n<p>{{otp}}: {{amount}}</p>").unwrap();
    let html = rendered(&Renderer::load(&settings).unwrap(), &otp("<i>"), Channel::Email, "pl").remove(2);
    assert_eq!(content_of(&html), "<h2>&lt;i&gt;</h2>\n<p>048291: 1234,50\u{a0}zł</p>");

    fs::write(&file, "\n <!doctype html>{{otp}} {{amount}} {{merchant}}").unwrap();
    let error = Renderer::load(&settings).err().unwrap().to_string();
    let expected = format!("{}:2:2: <!doctype is not allowed", file.display());
    assert!(error.contains(&expected), "{error}");
}

#[test]
fn the_operators_colours_logo_and_footer_are_on_every_page() {
    let mail = MailSettings {
        logo: "https://bank.example/a.png?x=1&y=2".into(),
        color: "#FFD500".into(),
        background: "#102030".into(),
        footer: "Bank & Co\n[[content]] <b>".into(),
    };
    let (_dir, settings) = shipped();
    let renderer = Renderer::load(&Settings { mail, brand: "A \"B\"".into(), ..settings }).unwrap();
    let html = rendered(&renderer, &unlocked(), Channel::Email, "en").remove(2);
    for part in [
        "<img src=\"https://bank.example/a.png?x=1&amp;y=2\" alt=\"A &quot;B&quot;\" height=\"40\"",
        "background-color:#ffd500;",
        "color:#000000\">",
        "bgcolor=\"#102030\"",
        "color:#ffffff;overflow-wrap:break-word;word-break:break-word\">Bank &amp; Co<br>\n[[content]] &lt;b&gt;</td>",
    ] {
        assert!(html.contains(part), "{part} in {html}");
    }
}
