//! Charts as inline SVG. Series differ by shade and pattern, so that colour is not needed; each page also has the numbers as a table.

use std::fmt::Write as _;

use handlebars::html_escape;

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 190.0;
const LEFT: f64 = 52.0;
/// The end of the axis; the last label goes a little beyond it.
const RIGHT: f64 = 704.0;
const TOP: f64 = 10.0;
const BOTTOM: f64 = 164.0;

/// The least end of the axis of a line.
const LEAST: f64 = 0.01;

/// Labels below the axis, at most.
const LABELS: usize = 8;

/// The width of a letter of a label, about.
const LETTER: f64 = 6.5;

/// From one line of a label to the next.
const LINE: f64 = 14.0;

/// One series of a chart of bars. Its place decides the pattern: solid, hatched, pale.
pub(super) struct Series {
    pub name: &'static str,
    pub values: Vec<u64>,
}

const PATTERNS: [&str; 3] = ["a", "b", "c"];

/// Bars with the values of all series on top of each other. `id` is unique in the page.
pub(super) fn stacked_bars(id: &str, title: &str, labels: &[String], series: &[Series]) -> String {
    let sum = |at: usize| series.iter().filter_map(|it| it.values.get(at)).sum::<u64>();
    let top = ceiling(float((0..labels.len()).map(sum).max().unwrap_or_default()).max(2.0));
    let below = Labels::below(labels);
    let mut svg = begin(title, &below, top, |value| format!("{value}"));
    let _ = write!(
        svg,
        "<pattern id=\"{id}-b\" width=\"6\" height=\"6\" patternUnits=\"userSpaceOnUse\" patternTransform=\"rotate(45)\">\
         <rect width=\"6\" height=\"6\" class=\"bar-b\"/><path d=\"M0 0V6\" class=\"hatch\"/></pattern>"
    );
    let (step, legend) = (step(labels.len()), legend(id, series));
    for at in 0..labels.len() {
        let mut y = BOTTOM;
        for (one, pattern) in series.iter().zip(PATTERNS) {
            let value = one.values.get(at).copied().unwrap_or_default();
            let height = float(value) / top * (BOTTOM - TOP);
            y -= height;
            if value > 0 {
                let (x, width) = (LEFT + step * index(at) + step * 0.14, step * 0.72);
                let paint = paint(id, pattern);
                let _ = write!(
                    svg,
                    "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" {paint}/>"
                );
            }
        }
    }
    svg + &below.svg() + &legend
}

/// A line through the values that there are; `unit` writes a value.
pub(super) fn line(title: &str, labels: &[String], values: &[Option<f64>], unit: fn(f64) -> String) -> String {
    let top = ceiling(values.iter().flatten().copied().fold(LEAST, f64::max));
    let below = Labels::below(labels);
    let mut svg = begin(title, &below, top, unit);
    let step = step(labels.len());
    let place = |at: usize, value: f64| (LEFT + step * (index(at) + 0.5), BOTTOM - value / top * (BOTTOM - TOP));
    let mut path = String::new();
    for (at, value) in values.iter().enumerate() {
        let Some(value) = *value else { continue };
        let (x, y) = place(at, value);
        let follows = at > 0 && values[at - 1].is_some();
        let _ = write!(path, "{}{x:.1} {y:.1}", if follows { "L" } else { "M" });
        let _ = write!(svg, "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3\" class=\"dot\"/>");
    }
    let _ = write!(svg, "<path d=\"{path}\" class=\"line\"/>");
    svg + &below.svg()
}

fn begin(title: &str, below: &Labels<'_>, top: f64, unit: impl Fn(f64) -> String) -> String {
    let (title, height) = (html_escape(title), below.height());
    let mut svg = format!("<svg viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" aria-label=\"{title}\">");
    for part in [0.0, 0.5, 1.0] {
        let (y, label) = (BOTTOM - part * (BOTTOM - TOP), html_escape(&unit(top * part)));
        let _ = write!(
            svg,
            "<path d=\"M{LEFT} {y:.1}H{RIGHT}\" class=\"axis\"/><text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{label}</text>",
            LEFT - 8.0,
            y + 4.0
        );
    }
    svg
}

/// The labels below the axis: each with the middle of its place, in as many lines as it needs.
struct Labels<'a>(Vec<(f64, Vec<&'a str>)>);

impl<'a> Labels<'a> {
    fn below(labels: &'a [String]) -> Self {
        let (every, step) = (labels.len().div_ceil(LABELS).max(1), step(labels.len()));
        let shown = labels.iter().enumerate().step_by(every);
        let room = step * index(every) / LETTER;
        Self(shown.map(|(at, label)| (LEFT + step * (index(at) + 0.5), lines(label, room))).collect())
    }

    fn height(&self) -> f64 {
        let most = self.0.iter().map(|(_, lines)| lines.len()).max().unwrap_or_default();
        HEIGHT + LINE * index(most.saturating_sub(1))
    }

    /// The labels, and the end of the picture.
    fn svg(&self) -> String {
        let mut text = String::new();
        for (x, lines) in &self.0 {
            for (at, line) in lines.iter().enumerate() {
                let (y, line) = (HEIGHT - 8.0 + LINE * index(at), html_escape(line));
                let _ = write!(text, "<text x=\"{x:.1}\" y=\"{y:.0}\" text-anchor=\"middle\">{line}</text>");
            }
        }
        text + "</svg>"
    }
}

// The label in lines of at most so many letters, if its words are that short.
fn lines(label: &str, room: f64) -> Vec<&str> {
    let (mut lines, mut from, mut end) = (Vec::new(), 0, 0);
    for at in label.match_indices(' ').map(|(at, _)| at).chain([label.len()]) {
        if end > from && index(label[from..at].chars().count()) > room {
            lines.push(&label[from..end]);
            from = end + 1;
        }
        end = at;
    }
    lines.push(&label[from..]);
    lines
}

fn legend(id: &str, series: &[Series]) -> String {
    let mut text = String::from("<p class=\"legend muted\">");
    for (one, pattern) in series.iter().zip(PATTERNS) {
        let (paint, name) = (paint(id, pattern), html_escape(one.name));
        let _ = write!(
            text,
            "<span><svg viewBox=\"0 0 12 12\" aria-hidden=\"true\"><rect width=\"12\" height=\"12\" {paint}/></svg> {name}</span> "
        );
    }
    text + "</p>"
}

fn paint(id: &str, pattern: &str) -> String {
    if pattern == "b" { format!("fill=\"url(#{id}-b)\"") } else { format!("class=\"bar-{pattern}\"") }
}

fn step(count: usize) -> f64 {
    (RIGHT - LEFT) / index(count.max(1))
}

// The next number that people read easily, and half of it too.
fn ceiling(value: f64) -> f64 {
    let power = 10_f64.powf(value.log10().floor());
    let steps = [1.0, 2.0, 4.0, 6.0, 8.0, 10.0];
    // A step that is the value itself may be a little less by rounding.
    steps.into_iter().map(|step| step * power).find(|it| *it >= value * 0.999_999).unwrap_or(10.0 * power)
}

#[expect(clippy::cast_precision_loss, reason = "a place in a picture")]
const fn float(value: u64) -> f64 {
    value as f64
}

#[expect(clippy::cast_precision_loss, reason = "a place in a picture")]
const fn index(at: usize) -> f64 {
    at as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_axis_ends_at_a_round_number_above_every_value() {
        for (value, end) in
            [(0.01, 0.01), (0.04, 0.04), (0.3, 0.4), (2.0, 2.0), (3.0, 4.0), (10.0, 10.0), (11.0, 20.0), (420.0, 600.0)]
        {
            assert!((ceiling(value) - end).abs() < 1e-9, "{value}: {}", ceiling(value));
        }
    }

    #[test]
    fn a_long_label_is_in_lines_that_fit() {
        assert_eq!(lines("transactional lock added", 15.0), ["transactional", "lock added"]);
        assert_eq!(lines("transactional lock added", 4.0), ["transactional", "lock", "added"]);
        assert_eq!((lines("17:00", 3.0), lines("", 3.0), lines("a b", 3.0)), (vec!["17:00"], vec![""], vec!["a b"]));
    }

    #[test]
    fn a_chart_says_what_it_shows_and_a_label_is_no_markup() {
        let labels = ["<b>".to_owned(), "17:00".to_owned()];
        let series = [Series { name: "Delivered", values: vec![3, 1] }, Series { name: "Failed", values: vec![0, 2] }];
        let bars = stacked_bars("it", "Deliveries", &labels, &series);
        assert!(bars.contains("aria-label=\"Deliveries\"") && !bars.contains("<b>"), "{bars}");
        assert_eq!(bars.matches("<rect x=").count(), 3, "no bar for nothing");
        assert!(!bars.contains("style="), "{bars}");
        let line = line("Time", &labels, &[None, Some(1.5)], |value| format!("{value} s"));
        assert!(line.contains('M') && !line.contains('L'), "{line}");
    }
}
