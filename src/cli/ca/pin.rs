//! Adds the SPKI pin of a client to the configuration file.
//!
//! The rest of the file stays as it is, including comments. The file is replaced atomically.

use std::path::{Path, PathBuf};

use toml_edit::{Array, ArrayOfTables, DocumentMut, Item, Table, TableLike, Value};

use crate::cli::Usage;
use crate::pki;

/// A larger file is not a configuration.
const CONFIG_MAX: u64 = 1024 * 1024;

/// The configuration with the pin added.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Pinned {
    /// The whole file.
    pub(super) text: String,
    /// All pins of the client.
    pub(super) pins: Vec<String>,
    /// The subject that the client's certificate must also have.
    pub(super) subject: Option<String>,
    /// The configured client CA.
    pub(super) client_ca: Option<String>,
    /// Whether the pin was configured already.
    pub(super) unchanged: bool,
}

/// Reads the configuration in `path` and adds `pin`, without writing the file.
pub(super) fn plan(path: &Path, client: &str, pin: &str, replace: bool) -> anyhow::Result<Pinned> {
    let invalid = |what: String| Usage(format!("{}: {what}", path.display()));
    let bytes = pki::read_up_to(path, CONFIG_MAX).map_err(|error| invalid(error.to_string()))?;
    let text = String::from_utf8(bytes).map_err(|_| invalid("is not UTF-8".to_owned()))?;
    Ok(add_pin(&text, client, pin, replace).map_err(invalid)?)
}

/// Writes the planned configuration. A symbolic link is kept: the file that it points to is replaced.
pub(super) fn write(path: &Path, pinned: &Pinned) -> anyhow::Result<()> {
    let file: PathBuf = path.canonicalize()?;
    Ok(pki::replace(&file, pinned.text.as_bytes())?)
}

fn add_pin(text: &str, client: &str, pin: &str, replace: bool) -> Result<Pinned, String> {
    let mut document: DocumentMut = text.parse().map_err(|error: toml_edit::TomlError| error.message().to_owned())?;
    let ingest = document.entry("ingest").or_insert_with(implicit_table);
    let ingest = ingest.as_table_like_mut().ok_or("ingest: expected a table")?;
    let client_ca = ingest.get("client_ca").and_then(Item::as_str).map(str::to_owned);
    let entry = client_table(ingest, client)?;
    let subject = entry.get("subject").and_then(Item::as_str).map(str::to_owned);
    let spki = entry.entry("spki_pins").or_insert_with(|| Item::Value(Array::new().into()));
    let spki = spki.as_array_mut().ok_or_else(|| format!("ingest.client {client}: spki_pins: expected a list"))?;
    let pins = |spki: &Array| spki.iter().filter_map(Value::as_str).map(str::to_owned).collect::<Vec<_>>();
    let before = pins(spki);
    if replace {
        spki.retain(|other| other.as_str() == Some(pin));
    }
    if !pins(spki).iter().any(|there| there == pin) {
        spki.push(pin);
    }
    let pins = pins(spki);
    let unchanged = pins == before;
    let text = if unchanged { text.to_owned() } else { document.to_string() };
    Ok(Pinned { text, pins, subject, client_ca, unchanged })
}

// `[[ingest.client]]` needs no `[ingest]` above it.
fn implicit_table() -> Item {
    let mut table = Table::new();
    table.set_implicit(true);
    Item::Table(table)
}

fn client_table<'a>(ingest: &'a mut dyn TableLike, client: &str) -> Result<&'a mut dyn TableLike, String> {
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

/// The table that authorizes `client`.
pub(super) fn block(client: &str, pins: &[String]) -> String {
    let name = Value::from(client).to_string();
    let pins: Vec<_> = pins.iter().map(|pin| Value::from(pin.as_str()).to_string()).collect();
    format!("[[ingest.client]]\nname = {}\nspki_pins = [{}]", name.trim(), pins.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = "# mine\n[ingest]\nlisten = \"x\"   # here\n\n[[ingest.client]]  # the processor\nname = \"verestro\"\n\
                       spki_pins = [\n  \"old\", # until June\n]\n\n[store]\nurl = \"y\"\n";

    fn added(text: &str, pin: &str) -> Pinned {
        add_pin(text, "verestro", pin, false).unwrap()
    }

    #[test]
    fn a_pin_is_added_and_everything_else_is_unchanged() {
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
        assert!(twice.unchanged && !once.unchanged);
        assert_eq!(twice.text, once.text);
    }

    #[test]
    fn a_replacement_removes_the_other_pins() {
        let pinned = add_pin(ONE, "verestro", "new", true).unwrap();
        assert_eq!(pinned.pins, ["new"]);
        assert!(add_pin(&pinned.text, "verestro", "new", true).unwrap().unchanged);
    }

    #[test]
    fn a_new_client_gets_its_own_table() {
        for before in
            ["", ONE, "[store]\nurl = \"y\"\n", "ingest.listen = \"x\"\n", include_str!("../../../config/otpost.toml")]
        {
            let pinned = add_pin(before, "someone \"else\"", "new", false).unwrap();
            let read: DocumentMut = pinned.text.parse().unwrap();
            let tables = read["ingest"]["client"].as_array_of_tables().unwrap();
            let last = tables.iter().last().unwrap();
            assert_eq!(last["name"].as_str(), Some("someone \"else\""), "{}", pinned.text);
            assert!(before.lines().all(|line| pinned.text.contains(line)), "{}", pinned.text);
            assert!(pinned.text.contains(&block("someone \"else\"", &pinned.pins)), "{}", pinned.text);
        }
    }

    #[test]
    fn inline_client_tables_are_supported() {
        let pinned = added("[ingest]\nclient = [{ name = \"verestro\", spki_pins = [\"old\"] }]\n", "new");
        assert_eq!(pinned.pins, ["old", "new"]);
        assert!(pinned.text.contains("spki_pins = [\"old\", \"new\"]"), "{}", pinned.text);
    }

    #[test]
    fn an_invalid_configuration_is_rejected() {
        for bad in [
            "[ingest",
            "ingest = 3",
            "[ingest]\nclient = 3",
            "[[ingest.client]]\nname = \"verestro\"\nspki_pins = \"x\"",
        ] {
            assert!(add_pin(bad, "verestro", "new", false).is_err(), "{bad}");
        }
    }
}
