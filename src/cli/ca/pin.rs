//! The hash of a client's key, put into a configuration file by name and beside what is there.
//!
//! The text around it stays as it was, comments and all. The file is replaced as a whole.

use std::path::{Path, PathBuf};

use toml_edit::{Array, ArrayOfTables, DocumentMut, Item, Table, TableLike, Value};

use crate::cli::Usage;
use crate::pki;

/// A configuration is a few pages; whatever is longer is something else.
const CONFIG_MAX: u64 = 1024 * 1024;

/// What a configuration says of one client, once a pin is in it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Pinned {
    /// The whole file.
    pub(super) text: String,
    /// All pins of that client.
    pub(super) pins: Vec<String>,
    /// The subject that it must have besides.
    pub(super) subject: Option<String>,
    /// The authority that the gateway trusts, as the file says it.
    pub(super) client_ca: Option<String>,
    /// Whether it was there already.
    pub(super) was_there: bool,
}

/// Reads the configuration in `path`, puts `pin` in, and leaves the file alone.
pub(super) fn plan(path: &Path, client: &str, pin: &str, replace: bool) -> anyhow::Result<Pinned> {
    let wrong = |what: String| Usage(format!("{}: {what}", path.display()));
    let bytes = pki::read_up_to(path, CONFIG_MAX).map_err(|error| wrong(error.to_string()))?;
    let text = String::from_utf8(bytes).map_err(|_| wrong("is not UTF-8".to_owned()))?;
    Ok(put(&text, client, pin, replace).map_err(wrong)?)
}

/// Writes what was planned. A link is followed: the file it names is replaced, not the link.
pub(super) fn carry_out(path: &Path, pinned: &Pinned) -> anyhow::Result<()> {
    let file: PathBuf = path.canonicalize()?;
    Ok(pki::replace(&file, pinned.text.as_bytes())?)
}

fn put(text: &str, client: &str, pin: &str, replace: bool) -> Result<Pinned, String> {
    let mut document: DocumentMut = text.parse().map_err(|error: toml_edit::TomlError| error.message().to_owned())?;
    let ingest = document.entry("ingest").or_insert_with(implicit_table);
    let ingest = ingest.as_table_like_mut().ok_or("ingest: expected a table")?;
    let client_ca = ingest.get("client_ca").and_then(Item::as_str).map(str::to_owned);
    let entry = entry_of(ingest, client)?;
    let subject = entry.get("subject").and_then(Item::as_str).map(str::to_owned);
    let spki = entry.entry("spki").or_insert_with(|| Item::Value(Array::new().into()));
    let spki = spki.as_array_mut().ok_or_else(|| format!("ingest.client {client}: spki: expected a list"))?;
    let pins = |spki: &Array| spki.iter().filter_map(Value::as_str).map(str::to_owned).collect::<Vec<_>>();
    let before = pins(spki);
    if replace {
        spki.retain(|other| other.as_str() == Some(pin));
    }
    if !pins(spki).iter().any(|there| there == pin) {
        spki.push(pin);
    }
    let pins = pins(spki);
    let was_there = pins == before;
    let text = if was_there { text.to_owned() } else { document.to_string() };
    Ok(Pinned { text, pins, subject, client_ca, was_there })
}

// `[[ingest.client]]` needs no `[ingest]` above it.
fn implicit_table() -> Item {
    let mut table = Table::new();
    table.set_implicit(true);
    Item::Table(table)
}

fn entry_of<'a>(ingest: &'a mut dyn TableLike, client: &str) -> Result<&'a mut dyn TableLike, String> {
    let clients = ingest.entry("client").or_insert_with(|| Item::ArrayOfTables(ArrayOfTables::new()));
    let is_it = |entry: &dyn TableLike| entry.get("name").and_then(Item::as_str) == Some(client);
    let wrong = || "ingest.client: expected [[ingest.client]] tables".to_owned();
    match clients {
        Item::ArrayOfTables(tables) => {
            let at = tables.iter().position(|table| is_it(table)).unwrap_or(tables.len());
            if at == tables.len() {
                let mut table = Table::new();
                table.insert("name", client.into());
                tables.push(table);
            }
            tables.get_mut(at).map(|table| table as &mut dyn TableLike).ok_or_else(wrong)
        }
        Item::Value(Value::Array(tables)) => {
            let found = |value: &Value| value.as_inline_table().is_some_and(|table| is_it(table));
            let at = tables.iter().position(found).unwrap_or(tables.len());
            if at == tables.len() {
                tables.push(toml_edit::InlineTable::from_iter([("name", client)]));
            }
            let table = tables.get_mut(at).and_then(Value::as_inline_table_mut);
            table.map(|table| table as &mut dyn TableLike).ok_or_else(wrong)
        }
        _ => Err(wrong()),
    }
}

/// The table that lets `client` in.
pub(super) fn block(client: &str, pins: &[String]) -> String {
    let name = Value::from(client).to_string();
    let pins: Vec<_> = pins.iter().map(|pin| Value::from(pin.as_str()).to_string()).collect();
    format!("[[ingest.client]]\nname = {}\nspki = [{}]", name.trim(), pins.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = "# mine\n[ingest]\nlisten = \"x\"   # here\n\n[[ingest.client]]  # the processor\nname = \"verestro\"\n\
                       spki = [\n  \"old\", # until June\n]\n\n[store]\nurl = \"y\"\n";

    fn added(text: &str, pin: &str) -> Pinned {
        put(text, "verestro", pin, false).unwrap()
    }

    #[test]
    fn a_pin_stands_beside_the_old_one_and_everything_else_as_it_was() {
        let pinned = added(ONE, "new");

        assert_eq!(pinned.pins, ["old", "new"]);
        for kept in ["# mine", "listen = \"x\"   # here", "# the processor", "# until June", "[store]\nurl = \"y\""] {
            assert!(pinned.text.contains(kept), "{kept}: {}", pinned.text);
        }
        assert!(pinned.text.parse::<DocumentMut>().is_ok());
    }

    #[test]
    fn the_same_pin_again_changes_nothing() {
        let once = added(ONE, "new");
        let twice = added(&once.text, "new");
        assert!(twice.was_there && !once.was_there);
        assert_eq!(twice.text, once.text);
    }

    #[test]
    fn a_replacement_leaves_the_new_pin_alone() {
        let pinned = put(ONE, "verestro", "new", true).unwrap();
        assert_eq!(pinned.pins, ["new"]);
        assert!(put(&pinned.text, "verestro", "new", true).unwrap().was_there);
    }

    #[test]
    fn a_client_that_is_not_there_gets_a_table_of_its_own() {
        for before in
            ["", ONE, "[store]\nurl = \"y\"\n", "ingest.listen = \"x\"\n", include_str!("../../../config/otpost.toml")]
        {
            let pinned = put(before, "someone \"else\"", "new", false).unwrap();
            let read: DocumentMut = pinned.text.parse().unwrap();
            let tables = read["ingest"]["client"].as_array_of_tables().unwrap();
            let last = tables.iter().last().unwrap();
            assert_eq!(last["name"].as_str(), Some("someone \"else\""), "{}", pinned.text);
            assert!(before.lines().all(|line| pinned.text.contains(line)), "{}", pinned.text);
            assert!(pinned.text.contains(&block("someone \"else\"", &pinned.pins)), "{}", pinned.text);
        }
    }

    #[test]
    fn clients_in_one_line_are_understood_too() {
        let pinned = added("[ingest]\nclient = [{ name = \"verestro\", spki = [\"old\"] }]\n", "new");
        assert_eq!(pinned.pins, ["old", "new"]);
        assert!(pinned.text.contains("spki = [\"old\", \"new\"]"), "{}", pinned.text);
    }

    #[test]
    fn what_is_not_a_configuration_is_refused() {
        for bad in
            ["[ingest", "ingest = 3", "[ingest]\nclient = 3", "[[ingest.client]]\nname = \"verestro\"\nspki = \"x\""]
        {
            assert!(put(bad, "verestro", "new", false).is_err(), "{bad}");
        }
    }
}
