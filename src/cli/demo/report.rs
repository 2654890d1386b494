//! How the demo looks: columns for people, one JSON object a message for programs. Codes are shown; they are made up.

use std::fmt::Display;
use std::io::IsTerminal;

use rustix::termios::tcgetwinsize;
use serde::Serialize;

use super::fixtures::Scenario;
use crate::cli::output;
use crate::domain::contact::Channel;
use crate::sim::processor::Response;

/// Columns in front of the times and of the texts.
const NAME_WIDTH: usize = 24;
const INDENT: usize = NAME_WIDTH + 10 + 3;

/// Lines are as long as the terminal is wide, within reason; a pipe has no width.
const WIDTH_MIN: usize = INDENT + 24;
const WIDTH_MAX: usize = 120;
const WIDTH_OF_A_PIPE: usize = 110;

const BOLD: &str = "\x1b[1m";
const DIM: &str = "\x1b[2m";
const GREEN: &str = "\x1b[32m";
const CYAN: &str = "\x1b[36m";

/// A message somebody got.
#[derive(Debug, Serialize)]
pub(super) struct ShownMessage<'a> {
    pub(super) channel: Channel,
    /// Masked.
    pub(super) address: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) title: Option<&'a str>,
    pub(super) text: &'a str,
    /// From the moment its request was sent; of requests that are not the demo's own, from when they were taken.
    pub(super) milliseconds: f64,
    pub(super) kind: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) locale: Option<&'a str>,
}

/// Where the demo is shown.
#[derive(Debug, Clone, Copy)]
pub(super) struct DemoOutput {
    json: bool,
    colours: bool,
    width: usize,
}

impl DemoOutput {
    pub(super) fn new(json: bool) -> Self {
        let out = std::io::stdout();
        let width = tcgetwinsize(&out).map_or(WIDTH_OF_A_PIPE, |size| usize::from(size.ws_col));
        Self { json, colours: out.is_terminal(), width: width.clamp(WIDTH_MIN, WIDTH_MAX) }
    }

    /// A line for people; programs do not get it.
    pub(super) fn say(&self, text: impl Display) -> anyhow::Result<()> {
        if self.json { Ok(()) } else { Ok(output::line(text)?) }
    }

    /// A bold line for people, an empty one in front.
    pub(super) fn heading(&self, text: &str) -> anyhow::Result<()> {
        self.say(format_args!("\n{}", self.paint(BOLD, text)))
    }

    /// A name and what it stands for.
    pub(super) fn item(&self, name: &str, value: impl Display) -> anyhow::Result<()> {
        self.say(format_args!("  {}{value}", self.paint(DIM, &format!("{name:<11}"))))
    }

    /// A request and its answer.
    pub(super) fn posted(&self, scene: &Scenario, answer: &Response) -> anyhow::Result<()> {
        let path = scene.sample.path.rsplit('/').next().unwrap_or_default();
        let name = format!("POST {path}");
        let status = format!("{:<5}", answer.status);
        let status = if answer.status == 204 { self.paint(GREEN, &status) } else { self.paint(BOLD, &status) };
        let took = milliseconds(answer.took.as_secs_f64() * 1_000.0);
        let lines = wrap(scene.about, self.width - INDENT);
        self.say("")?;
        // A path too long for its column has a line of its own.
        let fits = name.len() < NAME_WIDTH - 5;
        if !fits {
            self.say(self.paint(BOLD, &name))?;
        }
        let name = pad(if fits { &name } else { "" }, NAME_WIDTH - 5);
        self.block(&format!("{}{status}{took}", self.paint(BOLD, &name)), &lines, |line| self.paint(DIM, line))
    }

    /// A message, as it arrives.
    pub(super) fn message(&self, message: &ShownMessage) -> anyhow::Result<()> {
        if self.json {
            return output::json(message);
        }
        let width = self.width - INDENT;
        let channel = self.paint(CYAN, &format!("  {:<7}", message.channel.name()));
        let address = pad(&message.address, NAME_WIDTH - 9);
        let mut lines: Vec<String> = message.title.map(|title| wrap(title, width)).unwrap_or_default();
        let titles = lines.len();
        lines.extend(message.text.lines().flat_map(|line| wrap(line, width)));
        let mut at = 0;
        self.block(&format!("{channel}{address}{}", milliseconds(message.milliseconds)), &lines, |line| {
            at += 1;
            if at <= titles { self.paint(BOLD, line) } else { line.to_owned() }
        })
    }

    /// A remark where a message would stand.
    pub(super) fn remark(&self, text: &str) -> anyhow::Result<()> {
        self.say(format_args!("{:INDENT$}{}", "", self.paint(DIM, text)))
    }

    fn block(&self, head: &str, lines: &[String], mut look: impl FnMut(&str) -> String) -> anyhow::Result<()> {
        let mut lines = lines.iter();
        self.say(format_args!("{head}   {}", look(lines.next().map_or("", String::as_str))))?;
        for line in lines {
            let line = if line.is_empty() { String::new() } else { format!("{:INDENT$}{}", "", look(line)) };
            self.say(line)?;
        }
        Ok(())
    }

    fn paint(&self, colour: &str, text: &str) -> String {
        if self.colours { format!("{colour}{text}\x1b[0m") } else { text.to_owned() }
    }
}

fn milliseconds(milliseconds: f64) -> String {
    format!("{milliseconds:>7.1} ms")
}

fn pad(text: &str, width: usize) -> String {
    format!("{text:<width$}")
}

// Never more than `width` characters a line unless a word is longer; nothing in it steers the terminal.
fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(|c: char| c.is_control() || c == ' ').filter(|word| !word.is_empty()) {
        let Some(line) = lines.last_mut() else { break };
        if line.is_empty() {
            line.push_str(word);
        } else if line.chars().count() + 1 + word.chars().count() <= width {
            line.push(' ');
            line.push_str(word);
        } else {
            lines.push(word.to_owned());
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_broken_between_words_and_cannot_steer_the_terminal() {
        assert_eq!(wrap("Kod 1111: płatność 10,00\u{a0}zł\u{1b}[2J", 18), ["Kod 1111: płatność", "10,00\u{a0}zł [2J"]);
        assert_eq!(wrap("", 18), [""]);
    }
}
