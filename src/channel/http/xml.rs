//! XML answers, read as the JSON documents that they would be, so that JSON pointers lead into them.
//!
//! `<response><sms id="7"><status>0</status></sms></response>` has its status at `/response/sms/status`, and its id at
//! `/response/sms/@id`. Elements of the same name are a list: `/response/sms/0/status`. The text of an element with attributes
//! is at `#text`. A document with a DTD is none: nothing is expanded.

use roxmltree::{Document, Node};
use serde_json::{Map, Value};

/// Elements that are nested more deeply are left out.
const DEPTH_MAX: usize = 16;

/// The document; `None` if `text` is no XML.
pub(super) fn read(text: &[u8]) -> Option<Value> {
    let document = Document::parse(std::str::from_utf8(text).ok()?.trim()).ok()?;
    let root = document.root_element();
    Some(Value::Object(Map::from_iter([(root.tag_name().name().to_owned(), value(root, 0))])))
}

fn value(element: Node<'_, '_>, depth: usize) -> Value {
    if depth > DEPTH_MAX {
        return Value::Null;
    }
    let text = element.text().unwrap_or_default().trim();
    let attributes = element.attributes().map(|it| (format!("@{}", it.name()), Value::from(it.value())));
    let mut fields: Map<String, Value> = attributes.collect();
    for child in element.children().filter(Node::is_element) {
        let (name, value) = (child.tag_name().name(), value(child, depth + 1));
        match fields.get_mut(name) {
            None => drop(fields.insert(name.to_owned(), value)),
            Some(Value::Array(items)) => items.push(value),
            Some(first) => *first = Value::Array(vec![first.take(), value]),
        }
    }
    if fields.is_empty() {
        return text.into();
    }
    if !text.is_empty() {
        fields.insert("#text".to_owned(), text.into());
    }
    Value::Object(fields)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn parsed(text: &str) -> Option<Value> {
        read(text.as_bytes())
    }

    #[test]
    fn elements_attributes_and_lists_have_a_place() {
        let answer = "\n<?xml version=\"1.0\"?><r:response xmlns:r=\"u\"><sms id=\"7\"> 0 </sms><sms>1</sms><code>29</code><empty/></r:response>";
        let expected = json!({ "response": { "sms": [{ "@id": "7", "#text": "0" }, "1"], "code": "29", "empty": "" } });
        assert_eq!(parsed(answer), Some(expected));
        assert_eq!(parsed("<status>ok</status>"), Some(json!({ "status": "ok" })));
    }

    #[test]
    fn what_is_no_document_or_has_a_dtd_is_not_read() {
        for bad in ["", "OK", "<a>", "<a></b>", "<!DOCTYPE a [<!ENTITY x \"y\">]><a>&x;</a>", "<a/><b/>"] {
            assert_eq!(parsed(bad), None, "{bad}");
        }
        assert_eq!(read(b"<a>\xff</a>"), None);
        let deep = format!("{}x{}", "<a>".repeat(5000), "</a>".repeat(5000));
        assert!(parsed(&deep).is_some_and(|it| !it.to_string().contains('x')));
    }
}
