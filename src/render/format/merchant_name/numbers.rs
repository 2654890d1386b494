//! Masks the phone and card numbers in a merchant name, and keeps the numbers that belong to it.
//!
//! Seven digits or more, with any spacing, may be a phone number and become `***`. A payer must recognise the payee, so what
//! is a part of the name stays: digits directly after a letter, the numbers of known brands, and what stands before a group
//! that is a phone number on its own.

use crate::domain::merchant_name::LONG_NUMBER;

/// Stands for a number.
pub(super) const MASK: &str = "***";

/// Groups of digits with at most this many other characters between them count as one number: `4111 - 1111`.
const GAP_MAX: usize = 3;

/// Lengths of card numbers (ISO/IEC 7812-1).
const CARD_NUMBER: std::ops::RangeInclusive<usize> = 13..=19;

/// This many digits of a card number may be shown; six identify its issuer only.
const CARD_SHOWN_MAX: usize = 6;

/// A prefix such as `1-` or `800-` of the number behind it has no more digits.
const PREFIX_MAX: usize = 3;

/// This many digits of a number that is the whole name are shown.
const TAIL: usize = 3;

/// Names whose numbers would count as a part of the number behind them, in lower case.
const BRANDS: [&str; 19] = [
    "1&1",
    "100 montaditos",
    "20/20",
    "24/7",
    "5 a sec",
    "7-11",
    "7/11",
    "7/24",
    "99 ranch",
    "century 21",
    "forever 21",
    "formule 1",
    "motel 6",
    "pier 1",
    "pizza 73",
    "rema 1000",
    "route 66",
    "studio 54",
    "super 8",
];

/// A name with its numbers masked.
pub(super) struct Masked {
    pub(super) text: String,
    /// The last digits of the last number that was masked.
    pub(super) tail: Option<String>,
}

/// Consecutive digits.
#[derive(Clone, Copy)]
struct Group {
    start: usize,
    end: usize,
    /// A letter stands directly before it: it is a part of a word and begins no number.
    in_word: bool,
    /// It is a part of a brand's name.
    of_brand: bool,
    masked: bool,
}

impl Group {
    const fn digits(&self) -> usize {
        self.end - self.start
    }

    const fn may_be_phone(&self) -> bool {
        !self.in_word && !self.of_brand && !self.masked
    }
}

/// Masks the numbers in `text`.
pub(super) fn mask(text: &str) -> Masked {
    let chars: Vec<char> = text.chars().collect();
    let mut groups = groups(&chars);
    let name = NameCharacters { chars: &chars };
    for run in groups.chunk_by_mut(|one, next| name.gap(one, next).is_some()) {
        name.mask_long_groups(run);
        for spaced in run.chunk_by_mut(|one, next| one.may_be_phone() && next.may_be_phone()) {
            name.mask_spaced(spaced);
        }
        name.mask_cards(run);
    }
    name.write(&groups)
}

fn groups(chars: &[char]) -> Vec<Group> {
    let lower: Vec<char> = chars.iter().map(|c| c.to_lowercase().next().unwrap_or(*c)).collect();
    let mut groups: Vec<Group> = Vec::new();
    for (at, _) in chars.iter().enumerate().filter(|(_, c)| c.is_numeric()) {
        match groups.last_mut() {
            // Digits of two scripts are two groups: a card number is written in one.
            Some(last) if last.end == at && chars[at - 1].is_ascii() == chars[at].is_ascii() => last.end += 1,
            _ => {
                let in_word = at.checked_sub(1).is_some_and(|before| chars[before].is_alphabetic());
                groups.push(Group { start: at, end: at + 1, in_word, of_brand: false, masked: false });
            }
        }
    }
    for start in 0..chars.len() {
        for brand in BRANDS {
            let end = start + brand.chars().count();
            let is_apart = |at: Option<usize>| !at.and_then(|at| chars.get(at)).is_some_and(|c| c.is_alphanumeric());
            let is_brand = lower.get(start..end).is_some_and(|word| word.iter().copied().eq(brand.chars()));
            if is_brand && is_apart(start.checked_sub(1)) && is_apart(Some(end)) {
                let inside = groups.iter_mut().filter(|group| group.start >= start && group.end <= end);
                inside.for_each(|group| group.of_brand = true);
            }
        }
    }
    groups
}

struct NameCharacters<'a> {
    chars: &'a [char],
}

impl NameCharacters<'_> {
    // What stands between two groups of one number.
    fn gap(&self, one: &Group, next: &Group) -> Option<&[char]> {
        let gap = self.chars.get(one.end..next.start)?;
        (gap.len() <= GAP_MAX && !gap.iter().any(|c| c.is_alphanumeric())).then_some(gap)
    }

    // A phone number without spaces, with the prefix before it: `0800 1234567`, `(22) 1234567`, `1-8001234567`.
    fn mask_long_groups(&self, run: &mut [Group]) {
        for at in 0..run.len() {
            if run[at].digits() < LONG_NUMBER || !run[at].may_be_phone() {
                continue;
            }
            run[at].masked = true;
            let mut first = at;
            while first > 0 && run[first - 1].may_be_phone() && self.is_prefix(&run[first - 1], &run[first]) {
                first -= 1;
                run[first].masked = true;
            }
            let mut last = at;
            while run.get(last + 1).is_some_and(|next| next.may_be_phone() && self.is_tight(&run[last], next)) {
                last += 1;
                run[last].masked = true;
            }
        }
    }

    // A phone number in groups, from where one begins.
    fn mask_spaced(&self, groups: &mut [Group]) {
        let digits = |groups: &[Group]| groups.iter().map(Group::digits).sum::<usize>();
        if digits(groups) < LONG_NUMBER || !groups.iter().all(Group::may_be_phone) {
            return;
        }
        let is_tight_from = |at: usize| groups[at..].windows(2).all(|two| self.is_tight(&two[0], &two[1]));
        let begins = |at: &usize| {
            let is_long = digits(&groups[*at..]) >= LONG_NUMBER && digits(&groups[..*at]) < LONG_NUMBER;
            let is_apart = *at > 0 && !self.is_tight(&groups[*at - 1], &groups[*at]);
            is_long && (self.begins_phone(&groups[*at]) || (is_apart && is_tight_from(*at)))
        };
        let first = (0..groups.len()).find(begins).unwrap_or(0);
        groups[first..].iter_mut().for_each(|group| group.masked = true);
    }

    // A card number of which too much would be shown.
    fn mask_cards(&self, run: &mut [Group]) {
        for first in 0..run.len() {
            for last in first..run.len() {
                let span = &run[first..=last];
                let shown: usize = span.iter().filter(|group| !group.masked).map(Group::digits).sum();
                let in_word = self.chars.get(run[last].end).is_some_and(|c| c.is_alphabetic());
                let digits = span.iter().flat_map(|group| &self.chars[group.start..group.end]);
                if shown > CARD_SHOWN_MAX && !in_word && is_card_number(digits) {
                    run[first..=last].iter_mut().for_each(|group| group.masked = true);
                }
            }
        }
    }

    fn is_prefix(&self, prefix: &Group, number: &Group) -> bool {
        let closes = self.gap(prefix, number).is_some_and(|gap| gap.contains(&')'));
        self.begins_phone(prefix) || closes || (self.is_tight(prefix, number) && prefix.digits() <= PREFIX_MAX)
    }

    // `0800`, `+48`.
    fn begins_phone(&self, group: &Group) -> bool {
        let after_plus = group.start.checked_sub(1).is_some_and(|before| self.chars[before] == '+');
        after_plus || (self.chars[group.start] == '0' && group.digits() > 1)
    }

    fn is_tight(&self, one: &Group, next: &Group) -> bool {
        self.gap(one, next).is_some_and(|gap| matches!(gap, ['-' | '\u{2013}' | '.' | '/']))
    }

    fn write(&self, groups: &[Group]) -> Masked {
        let mut text = String::with_capacity(self.chars.len());
        let (mut at, mut tail) = (0, None);
        let spans = groups.chunk_by(|one, next| one.masked && next.masked && self.gap(one, next).is_some());
        for span in spans.filter(|span| span.first().is_some_and(|group| group.masked)) {
            let (start, end) = (span[0].start, span[span.len() - 1].end);
            text.extend(&self.chars[at..start]);
            let opened = if span[0].in_word { false } else { separate(&mut text) };
            text.push_str(MASK);
            at = end;
            if opened && self.chars.get(at) == Some(&')') {
                at += 1;
            }
            let digits: Vec<char> = self.chars[start..end].iter().copied().filter(|c| c.is_numeric()).collect();
            tail = Some(digits[digits.len().saturating_sub(TAIL)..].iter().collect());
        }
        text.extend(&self.chars[at..]);
        Masked { text, tail }
    }
}

// Leaves one space at the end. `PAYPAL *`, `O2 -` and `Call (+` would end with signs that mean nothing without their number;
// the sign of `CANAL+` stays. Returns whether a parenthesis was open.
fn separate(text: &mut String) -> bool {
    let is_sign = |c: char| "-\u{2013}\u{2014}*#/(+|~_,:".contains(c);
    let mut kept = text.trim_end_matches(is_sign).trim_end();
    while let Some(before) = Some(kept.trim_end_matches(is_sign)).filter(|before| before.len() < kept.len()) {
        if !before.is_empty() && !before.ends_with(char::is_whitespace) {
            break;
        }
        kept = before.trim_end();
    }
    let kept = kept.len();
    let opened = text[kept..].contains('(');
    text.truncate(kept);
    if !text.is_empty() {
        text.push(' ');
    }
    opened
}

// 13 to 19 digits whose check digit is right (ISO/IEC 7812-1, annex B).
fn is_card_number<'a>(digits: impl Iterator<Item = &'a char>) -> bool {
    let values: Option<Vec<u32>> = digits.map(|c| c.to_digit(10)).collect();
    let Some(values) = values.filter(|values| CARD_NUMBER.contains(&values.len())) else { return false };
    let doubled = |(at, value): (usize, &u32)| if at % 2 == 1 { value * 2 / 10 + value * 2 % 10 } else { *value };
    values.iter().rev().enumerate().map(doubled).sum::<u32>() % 10 == 0
}
