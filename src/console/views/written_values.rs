//! What templates of the console can say besides inserting a text: `{{asset "console.css"}}`, `{{time received_at}}`, `{{moment received_at}}`,
//! `{{number count}}`, `{{state name}}`, `{{words name}}`. Each escapes what it inserts.

use handlebars::{
    Context, Handlebars, Helper, HelperDef, HelperResult, JsonRender, Output, PathAndJson, RenderContext, html_escape,
};
use serde_json::Value;

use crate::console::assets;
use crate::domain::clock::Timestamp;
use crate::domain::delivery::DeliveryState;

/// Stands where there is no value.
const NOTHING: &str = "–";

/// Writes a value as one of these functions shows it.
struct ShownValue(WrittenAs);

/// How a value is written.
type WrittenAs = fn(&Value) -> String;

impl HelperDef for ShownValue {
    fn call<'reg: 'rc, 'rc>(
        &self,
        helper: &Helper<'rc>,
        _: &'reg Handlebars<'reg>,
        _: &'rc Context,
        _: &mut RenderContext<'reg, 'rc>,
        out: &mut dyn Output,
    ) -> HelperResult {
        Ok(out.write(&(self.0)(helper.param(0).map_or(&Value::Null, PathAndJson::value)))?)
    }
}

pub(super) fn register(registry: &mut Handlebars<'static>) {
    let helpers: [(&str, WrittenAs); 6] =
        [("asset", asset), ("time", time), ("moment", moment), ("number", number), ("state", state), ("words", words)];
    for (name, helper) in helpers {
        registry.register_helper(name, Box::new(ShownValue(helper)));
    }
}

fn asset(name: &Value) -> String {
    assets::address(&html_escape(name.as_str().unwrap_or_default()))
}

/// Microseconds since 1970 as a time in UTC, to the second.
fn time(micros: &Value) -> String {
    let Some(at) = micros.as_i64().map(Timestamp::from_micros) else { return NOTHING.to_owned() };
    format!("<time datetime=\"{at}\">{}</time>", moment(micros))
}

/// The same as plain text, for attributes.
fn moment(micros: &Value) -> String {
    let at = micros.as_i64().map(Timestamp::from_micros);
    at.map_or_else(|| NOTHING.to_owned(), |at| at.to_jiff().strftime("%F %T").to_string())
}

/// A whole number with a comma for thousands. Zeros stand back, so that everything else is seen.
fn number(value: &Value) -> String {
    let Some(whole) = value.as_u64() else { return NOTHING.to_owned() };
    if whole == 0 {
        return "<span class=\"muted\">0</span>".to_owned();
    }
    let digits = whole.to_string();
    let groups = digits.as_bytes().rchunks(3).rev().map(String::from_utf8_lossy);
    groups.collect::<Vec<_>>().join(",")
}

/// The state of a delivery as a badge.
fn state(name: &Value) -> String {
    let name = name.as_str().unwrap_or_default();
    let tone = match DeliveryState::from_name(name) {
        Some(DeliveryState::Confirmed) => " badge-ok",
        Some(DeliveryState::Sent) | None => "",
        Some(DeliveryState::Open | DeliveryState::Unconfirmed) => " badge-warn",
        Some(DeliveryState::NotSent | DeliveryState::Superseded) => " badge-quiet",
        Some(
            DeliveryState::Undeliverable
            | DeliveryState::Undelivered
            | DeliveryState::Expired
            | DeliveryState::ExpiredByProvider,
        ) => " badge-bad",
    };
    format!("<span class=\"badge{tone}\">{}</span>", html_escape(&name.replace('_', " ")))
}

/// A name of the database or of a configuration in words: `no_contact` is no contact.
fn words(name: &Value) -> String {
    match name {
        Value::Null => NOTHING.to_owned(),
        name => html_escape(&name.render().replace('_', " ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn shown(template: &str, value: &Value) -> String {
        let mut registry = Handlebars::new();
        register(&mut registry);
        registry.render_template(template, &json!({ "it": value })).unwrap()
    }

    #[test]
    fn values_are_written_as_people_read_them() {
        let at = "<time datetime=\"2026-11-27T17:04:12.345Z\">2026-11-27 17:04:12</time>";
        assert_eq!(shown("{{time it}}", &json!(1_795_799_052_345_000_i64)), at);
        assert_eq!(shown("{{time it}}", &Value::Null), "–");
        assert_eq!(shown("{{number it}}", &json!(12_345_678)), "12,345,678");
        assert_eq!(shown("{{number it}}", &json!(7)), "7");
        assert_eq!(shown("{{state it}}", &json!("expired_by_provider")), badge(" badge-bad", "expired by provider"));
        assert_eq!(shown("{{words it}}", &json!("no_contact")), "no contact");
    }

    #[test]
    fn nothing_that_is_inserted_is_markup() {
        let evil = json!("<script>alert(1)</script>\"'");
        for helper in ["asset", "time", "number", "state", "words"] {
            let text = shown(&format!("{{{{{helper} it}}}}"), &evil);
            assert!(!text.contains("<script") && !text.contains("\"'"), "{helper}: {text}");
        }
    }

    fn badge(tone: &str, text: &str) -> String {
        format!("<span class=\"badge{tone}\">{text}</span>")
    }
}
