//! The output of the demo: aligned columns, or one JSON object per message. OTPs are shown, because they are fictional.

use std::fmt::Display;

use serde::Serialize;
use serde_json::{Map, Value, json};

use super::fixtures::Scenario;
use crate::cli::output::{self, BOLD, CYAN, DIM, GREEN, RESET};
use crate::domain::contact::Channel;
use crate::sim::processor::Response;

/// Columns before the duration, and before the text.
const NAME_WIDTH: usize = 24;
const INDENT: usize = NAME_WIDTH + 10 + 3;

/// On a narrower terminal texts have lines of their own, with a smaller indent.
const WIDTH_MIN: usize = INDENT + 24;
const WIDTH_MAX: usize = 120;
const SMALL_INDENT: usize = 4;

/// A message that a provider received.
#[derive(Debug, Serialize)]
pub(super) struct ShownMessage<'a> {
    pub(super) channel: Channel,
    /// Masked.
    pub(super) contact: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) title: Option<&'a str>,
    pub(super) text: &'a str,
    /// Since its request was sent, or, if another program sent the request, since the gateway received it.
    pub(super) milliseconds: f64,
    pub(super) kind: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) locale: Option<&'a str>,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct DemoOutput {
    json: bool,
    colours: bool,
    width: usize,
}

impl DemoOutput {
    pub(super) fn new(json: bool) -> Self {
        let width = output::terminal_width().clamp(SMALL_INDENT + 1, WIDTH_MAX);
        Self { json, colours: output::colours(), width }
    }

    /// Prints a line, unless the output is JSON.
    pub(super) fn line(&self, text: impl Display) -> anyhow::Result<()> {
        if self.json { Ok(()) } else { Ok(output::line(text)?) }
    }

    /// Prints a JSON object of this type, if the output is JSON.
    pub(super) fn event(&self, name: &str, value: impl FnOnce() -> Value) -> anyhow::Result<()> {
        if !self.json {
            return Ok(());
        }
        let mut event = Map::from_iter([("type".to_owned(), name.into())]);
        if let Value::Object(fields) = value() {
            event.extend(fields);
        }
        output::json(&event)
    }

    /// Prints an empty line and bold lines.
    pub(super) fn heading(&self, text: &str) -> anyhow::Result<()> {
        self.line("")?;
        wrap(text, self.width).iter().try_for_each(|line| self.line(self.paint(BOLD, line)))
    }

    /// Columns before a text.
    const fn indent(&self) -> usize {
        if self.width < WIDTH_MIN { SMALL_INDENT } else { INDENT }
    }

    /// Prints a name and its value.
    pub(super) fn item(&self, name: &str, value: impl Display) -> anyhow::Result<()> {
        self.line(format_args!("  {}{value}", self.paint(DIM, &format!("{name:<11}"))))
    }

    /// Prints a request and its response.
    pub(super) fn posted(&self, scenario: &Scenario, response: &Response) -> anyhow::Result<()> {
        let path = scenario.sample.path.rsplit('/').next().unwrap_or_default();
        let took_ms = response.took.as_secs_f64() * 1_000.0;
        self.event(
            "request",
            || json!({ "path": scenario.sample.path, "status": response.status, "milliseconds": took_ms }),
        )?;
        let name = format!("POST {path}");
        let status = format!("{:<5}", response.status);
        let status = if response.status == 204 { self.paint(GREEN, &status) } else { self.paint(BOLD, &status) };
        let took = milliseconds(took_ms);
        let lines = wrap(scenario.about, self.width - self.indent());
        self.line("")?;
        // A path that does not fit into its column is printed on a line of its own.
        let fits = name.len() < NAME_WIDTH - 5;
        if !fits {
            self.line(self.paint(BOLD, &name))?;
        }
        let name = pad(if fits { &name } else { "" }, NAME_WIDTH - 5);
        self.block(&format!("{}{status}{took}", self.paint(BOLD, &name)), &lines, |line| self.paint(DIM, line))
    }

    /// Prints a message.
    pub(super) fn message(&self, message: &ShownMessage) -> anyhow::Result<()> {
        if self.json {
            let value = serde_json::to_value(message)?;
            return self.event("message", || value);
        }
        let width = self.width - self.indent();
        let channel = self.paint(CYAN, &format!("  {:<7}", message.channel.name()));
        let contact = pad(&message.contact, NAME_WIDTH - 9);
        let mut lines: Vec<String> = message.title.map(|title| wrap(title, width)).unwrap_or_default();
        let titles = lines.len();
        lines.extend(message.text.lines().flat_map(|line| wrap(line, width)));
        let mut at = 0;
        self.block(&format!("{channel}{contact}{}", milliseconds(message.milliseconds)), &lines, |line| {
            at += 1;
            if at <= titles { self.paint(BOLD, line) } else { line.to_owned() }
        })
    }

    /// Prints a remark in place of a message.
    pub(super) fn remark(&self, text: &str) -> anyhow::Result<()> {
        self.line(format_args!("{:indent$}{}", "", self.paint(DIM, text), indent = self.indent()))
    }

    fn block(&self, head: &str, lines: &[String], mut style: impl FnMut(&str) -> String) -> anyhow::Result<()> {
        let (mut lines, indent) = (lines.iter(), self.indent());
        if indent == INDENT {
            self.line(format_args!("{head}   {}", style(lines.next().map_or("", String::as_str))))?;
        } else {
            self.line(head)?;
        }
        for line in lines {
            let line = if line.is_empty() { String::new() } else { format!("{:indent$}{}", "", style(line)) };
            self.line(line)?;
        }
        Ok(())
    }

    fn paint(&self, colour: &str, text: &str) -> String {
        if self.colours { format!("{colour}{text}{RESET}") } else { text.to_owned() }
    }
}

fn milliseconds(milliseconds: f64) -> String {
    format!("{milliseconds:>7.1} ms")
}

fn pad(text: &str, width: usize) -> String {
    format!("{text:<width$}")
}

// Control characters are removed, so that a message cannot control the terminal.
fn wrap(text: &str, width: usize) -> Vec<String> {
    output::wrap(text.split(|c: char| c.is_control() || c == ' '), width)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_wrapped_between_words_and_cannot_control_the_terminal() {
        assert_eq!(wrap("Kod 1111: płatność 10,00\u{a0}zł\u{1b}[2J", 18), ["Kod 1111: płatność", "10,00\u{a0}zł [2J"]);
        assert_eq!(wrap("", 18), [""]);
    }
}
