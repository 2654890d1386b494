//! Pages in a language that the program has never heard of.

use std::fs;

use otpost::domain::access::Role;
use otpost::{app, config::Config};

use crate::support::console::{CONSOLE, Request, signed_in};
use crate::support::{Gateway, Setup};

/// The folder of languages of a gateway, with these files in it.
async fn gateway(files: &'static [(&'static str, &'static str)]) -> Gateway {
    let setup = Setup::new().more(&format!("{CONSOLE}languages = \"languages\"\n"));
    setup
        .prepare(move |gateway| {
            for (name, text) in files {
                let path = gateway.path("languages").join(name);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, text).unwrap();
            }
        })
        .start()
        .await
}

const LAYOUT: &str = include_str!("../../../../templates/console/layout.hbs");

const ESPERANTO: [(&str, &str); 5] = [
    ("eo/titles.toml", "\"Deliveries\" = \"Liveroj\"\n\"Sign in\" = \"Ensaluti\"\n"),
    ("eo/layout.hbs", LAYOUT),
    ("eo/sign_in.hbs", "<p>Ensalutu</p>"),
    ("eo/deliveries.hbs", "<p>Serĉi {{form.q}}</p>"),
    ("eo/providers.hbs", "<p>{{of_another_version}}</p>"),
];

#[tokio::test]
async fn a_browser_gets_its_language_as_far_as_it_is_translated_and_english_for_the_rest() {
    let gateway = gateway(&ESPERANTO).await;
    let user = signed_in(&gateway, &[Role::Viewer]).await;
    let page = async |path: &str, preferred: &str| {
        let answer = user.get_with(path, &format!("Accept-Language: {preferred}\r\n")).await.expect_status(200);
        assert_eq!(answer.header("vary"), Some("Accept-Language"));
        answer.body
    };

    let translated = page("/deliveries?q=%3Cb%3E", "de;q=0.5, eo-XX, en;q=0.3").await;
    for part in ["<html lang=\"eo\">", "<h1>Liveroj</h1>", "Serĉi &lt;b&gt;", ">Liveroj</a>", ">Providers</a>"] {
        assert!(translated.contains(part), "{part}: {translated}");
    }
    assert!(translated.contains("<main id=\"main\" tabindex=\"-1\">"), "{translated}");
    let english = page("/", "eo").await;
    assert!(english.contains("<html lang=\"eo\">") && english.contains("tabindex=\"-1\" lang=\"en\">"), "{english}");
    assert!(english.contains("No alarms") && english.contains("<h1>Overview</h1>"), "{english}");
    for preferred in ["en, eo", "en-GB,eo;q=0.9", "fr", "eo;q=0", ";;q=,"] {
        let page = page("/deliveries", preferred).await;
        assert!(page.contains("<html lang=\"en\">") && page.contains("<h1>Deliveries</h1>"), "{preferred}: {page}");
    }
    let broken = page("/providers", "eo").await;
    assert!(broken.contains("<html lang=\"en\">") && broken.contains("primary"), "{broken}");
    let outside = Request::get("/sign-in").header("Accept-Language", "eo").send(gateway.console_address()).await;
    for part in ["<html lang=\"en\">", "<main id=\"main\" lang=\"eo\">", "<h1>Ensaluti</h1>", "<p>Ensalutu</p>"] {
        assert!(outside.body.contains(part), "{part}: {}", outside.body);
    }
}

#[tokio::test]
async fn a_mistake_in_a_language_is_named_with_its_file() {
    let gateway = gateway(&ESPERANTO).await;
    for (name, text, expected) in [
        ("eo/delivery.hbs", "{{#if}", "delivery.hbs"),
        ("eo/deliverys.hbs", "x", "the console has no template of this name"),
        ("eo/titles.toml", "Deliveries = 7", "Deliveries: expected a text in quotes"),
        ("not a tag/titles.toml", "", "named by a language tag"),
    ] {
        let path = gateway.files.path("languages").join(name);
        let before = fs::read(&path).ok();
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        let error = otpost::console::check(&Config::load(&gateway.files.path("otpost.toml")).unwrap().console);
        let error = error.unwrap_err();
        let said = otpost::domain::chain(&app::Error::Console(error));
        assert!(said.contains("console.languages") && said.contains(expected), "{name}: {said}");
        match before {
            Some(text) => fs::write(&path, text).unwrap(),
            None => fs::remove_file(&path).unwrap(),
        }
        if name.starts_with("not") {
            fs::remove_dir(path.parent().unwrap()).unwrap();
        }
    }
}
