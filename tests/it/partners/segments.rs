//! The number of segments of an SMS, compared with the counter of a company that bills them: the npm package
//! `sms-segments-calculator`, without its "smart encoding", which counts a different text from the one that is sent.
//!
//! It differs on purpose in one thing: it never splits a character of several code points (a flag, a letter with marks
//! of its own, a family of emoji) between segments, while gateways and phones split after any sixteen bits and only
//! keep a surrogate pair together. For texts with such characters, encoding and units are equal, and we count as many
//! segments or fewer. For all other texts, everything is equal.

use otpost::render::sms::segments;
use otpost::render::sms::segments::Encoding;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};
use unicode_segmentation::UnicodeSegmentation;

use crate::support::node;

const TEXTS: usize = 10_000;

/// The lengths around which another segment is needed.
const EDGES: [usize; 12] = [0, 67, 70, 134, 140, 153, 160, 201, 268, 306, 459, 612];

const GSM: &str = "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCXYZÄÖÑÜ§¿abcxyzäöñüà";
const EXTENSION: &str = "^{}\\[~]|€";
const OUTSIDE: &str = "łąçÇ–’…\u{a0}ЖжعربيةÁ漢字∞`";
const BEYOND: &str = "😀🍕💳𝒳";
const CLUSTERS: [&str; 7] = ["🇵🇱", "👩‍👩‍👧", "👍🏽", "e\u{301}", "क्षि", "1\u{fe0f}\u{20e3}", "é"];

const SCRIPT: &str = "
    const { SegmentedMessage } = require('sms-segments-calculator');
    require('readline').createInterface({ input: process.stdin }).on('line', (line) => {
        const message = new SegmentedMessage(JSON.parse(line).text, 'auto', false);
        const units = message.segments.flat().filter((it) => it.raw !== undefined)
            .reduce((sum, it) => sum + it.sizeInBits(), 0) / (message.encodingName === 'UCS-2' ? 16 : 7);
        console.log(JSON.stringify({ encoding: message.encodingName, segments: message.segmentsCount, units }));
    });";

#[test]
fn an_independent_counter_finds_the_same_encoding_units_and_segments() {
    let mut chance = StdRng::seed_from_u64(160);
    let texts: Vec<String> = (0..TEXTS).map(|_| text(&mut chance)).collect();
    let asked: Vec<Value> = texts.iter().map(|text| json!({ "text": text })).collect();

    let theirs = node::run(SCRIPT, &asked);

    assert_eq!(theirs.len(), TEXTS);
    let mut seen = [0; 4];
    for (text, theirs) in texts.iter().zip(&theirs) {
        let ours = segments::measure(text);
        let encoding = if ours.encoding == Encoding::Gsm { "GSM-7" } else { "UCS-2" };
        let segments = usize::try_from(theirs["segments"].as_u64().unwrap()).unwrap();
        assert_eq!(theirs["encoding"], encoding, "{text:?}");
        assert_eq!(theirs["units"].as_u64(), Some(ours.units as u64), "{text:?}");
        if text.graphemes(true).all(|cluster| cluster == "\r\n" || cluster.chars().count() == 1) {
            assert_eq!(segments, ours.segments, "{text:?}");
            seen[usize::from(encoding == "UCS-2")] += 1;
        } else {
            assert!(ours.segments <= segments, "{text:?}: {segments} there, {} here", ours.segments);
            seen[2 + usize::from(ours.segments < segments)] += 1;
        }
    }
    assert!(seen[0] > 2_000 && seen[1] > 2_000 && seen[2] > 200 && seen[3] > 0, "{seen:?}");
}

// A text with a length around such an edge, with wide characters where a segment may end.
fn text(chance: &mut StdRng) -> String {
    let length = (EDGES.choose(chance).unwrap() + chance.random_range(0..5)).saturating_sub(2);
    let rare = [0.0, 0.02, 0.3][chance.random_range(0..3)];
    let kind = chance.random_range(0..5);
    let mut text: Vec<String> = (0..length).map(|_| sign(GSM, chance)).collect();
    let mut put = |at: usize, sign: String| text.get_mut(at).map(|place| *place = sign);
    for at in 0..length {
        if chance.random_bool(rare) {
            put(at, sign(EXTENSION, chance));
        }
    }
    for edge in [66, 69, 152, 159, 305] {
        if chance.random_bool(0.5) {
            put(edge - chance.random_range(0..2), sign(if kind < 2 { EXTENSION } else { BEYOND }, chance));
        }
    }
    for _ in 0..chance.random_range(1..4) {
        let at = chance.random_range(0..length.max(1));
        match kind {
            2 => drop(put(at, sign(OUTSIDE, chance))),
            3 => drop(put(at, sign(BEYOND, chance))),
            4 => drop(put(at, (*CLUSTERS.choose(chance).unwrap()).to_owned())),
            _ => {}
        }
    }
    text.concat()
}

fn sign(among: &str, chance: &mut StdRng) -> String {
    let signs: Vec<char> = among.chars().collect();
    signs.choose(chance).unwrap().to_string()
}
