//! Texts that nobody may see, and the search for them in any writing.

use std::{collections::HashMap, fmt::Write as _};

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD},
};
use rand::{Rng as _, SeedableRng as _, distr::Alphanumeric, rngs::StdRng};

/// Characters of a canary's random part.
const CORE: usize = 32;
/// A part of it that is this long is a leak too: what is cut off is still told.
const PART: usize = 16;
/// Bytes that are looked up at once; every pattern is longer.
const HEAD: usize = 8;

/// Secrets that are looked for.
pub(super) struct Canaries {
    random: StdRng,
    seed: u64,
    /// What is looked for, in lower case, and which canary it shows.
    patterns: Vec<(Vec<u8>, String)>,
    heads: HashMap<u64, Vec<usize>>,
    /// Which hashes of heads there are: most places are ruled out by one look.
    filter: Vec<bool>,
}

impl Canaries {
    /// Other ones in each run, unless `CANARY_SEED` says which.
    pub(super) fn new() -> Self {
        let given = std::env::var_os("CANARY_SEED").and_then(|seed| seed.to_str()?.parse().ok());
        let seed = given.unwrap_or_else(|| rand::rng().random());
        let filter = vec![false; 1 << 16];
        Self { random: StdRng::seed_from_u64(seed), seed, patterns: Vec::new(), heads: HashMap::new(), filter }
    }

    /// A random text that is looked for in every writing; `name` says what it stands for.
    pub(super) fn make(&mut self, name: &str) -> String {
        let core: String = (&mut self.random).sample_iter(Alphanumeric).take(CORE).map(char::from).collect();
        for part in core.as_bytes().windows(PART) {
            for pattern in writings(part) {
                self.look_for(pattern, name);
            }
        }
        core
    }

    /// A text of others' making that is looked for as it is, also in parts.
    pub(super) fn add(&mut self, name: &str, text: &str) {
        for part in text.as_bytes().windows(2 * PART) {
            self.look_for(part.to_vec(), name);
        }
    }

    fn look_for(&mut self, mut pattern: Vec<u8>, name: &str) {
        pattern.make_ascii_lowercase();
        let head = pattern[..HEAD].iter().fold(0, |head, byte| next(head, *byte));
        self.filter[hash(head)] = true;
        self.heads.entry(head).or_default().push(self.patterns.len());
        self.patterns.push((pattern, name.to_owned()));
    }

    /// Panics if one is in it.
    #[track_caller]
    pub(super) fn assert_none(&self, place: &str, text: &[u8]) {
        if let Some((name, at)) = self.find(text) {
            let (from, to) = (at.saturating_sub(200), (at + 100).min(text.len()));
            let around = String::from_utf8_lossy(&text[from..to]);
            panic!("{name} is in {place} (CANARY_SEED={}):\n… {around} …", self.seed);
        }
    }

    /// The first one in it, and where.
    pub(super) fn find(&self, text: &[u8]) -> Option<(&str, usize)> {
        let text = text.to_ascii_lowercase();
        let mut head = 0;
        for (end, byte) in text.iter().enumerate() {
            head = next(head, *byte);
            if end + 1 < HEAD || !self.filter[hash(head)] {
                continue;
            }
            let at = end + 1 - HEAD;
            let candidates = self.heads.get(&head).into_iter().flatten().map(|found| &self.patterns[*found]);
            for (pattern, name) in candidates {
                if text[at..].starts_with(pattern) {
                    return Some((name, at));
                }
            }
        }
        None
    }
}

/// The last eight bytes as a number.
fn next(head: u64, byte: u8) -> u64 {
    head << 8 | u64::from(byte)
}

fn hash(head: u64) -> usize {
    usize::try_from(head.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 48).expect("16 bits")
}

/// All the ways in which a part of a secret could be written: as it is (also with its quotes escaped, since it has none),
/// base64 of both alphabets at every place in a longer text, hexadecimal, percent-encoded, with JSON's and Rust's
/// escapes, as a list of numbers.
fn writings(part: &[u8]) -> Vec<Vec<u8>> {
    let each = |write: &dyn Fn(&mut String, u8)| {
        part.iter().fold(String::new(), |mut text, byte| {
            write(&mut text, *byte);
            text
        })
    };
    let mut all = vec![
        part.to_vec(),
        part.iter().rev().copied().collect(),
        each(&|text, byte| write!(text, "{byte:02x}").unwrap()).into(),
        each(&|text, byte| write!(text, "%{byte:02x}").unwrap()).into(),
        each(&|text, byte| write!(text, "\\u{byte:04x}").unwrap()).into(),
        each(&|text, byte| write!(text, "\\x{byte:02x}").unwrap()).into(),
        each(&|text, byte| write!(text, "{byte}, ").unwrap()).trim_end_matches(", ").into(),
        each(&|text, byte| write!(text, "{byte},").unwrap()).trim_end_matches(',').into(),
    ];
    for before in 0..3_usize {
        let shifted = [&vec![0; before], part].concat();
        // Only the letters that depend on nothing else: six bits each.
        let (from, to) = ((8 * before).div_ceil(6), 8 * shifted.len() / 6);
        for encoded in [STANDARD_NO_PAD.encode(&shifted), URL_SAFE_NO_PAD.encode(&shifted)] {
            all.push(encoded.as_bytes()[from..to].to_vec());
        }
    }
    all
}

#[test]
fn a_canary_is_found_in_every_writing_and_in_parts() {
    let mut canaries = Canaries::new();
    let core = canaries.make("the secret");
    let bytes = core.as_bytes();
    for before in 0..7 {
        let text = format!("{}{core}\"and more", "x".repeat(before));
        let hex = text.bytes().fold(String::new(), |hex, byte| format!("{hex}{byte:02X}"));
        let percent = text.bytes().fold(String::new(), |hex, byte| format!("{hex}%{byte:02X}"));
        let json = serde_json::to_string(&text).unwrap();
        let unicode = text.bytes().fold(String::new(), |hex, byte| format!("{hex}\\u00{byte:02x}"));
        for written in [
            text.clone(),
            json,
            unicode,
            hex,
            percent,
            STANDARD_NO_PAD.encode(&text),
            URL_SAFE_NO_PAD.encode(&text),
            base64::engine::general_purpose::STANDARD.encode(&text),
            text.to_uppercase(),
            format!("{text:?}"),
            format!("{:?}", text.as_bytes()),
            core[3..20].to_owned(),
            text.chars().rev().collect(),
        ] {
            let there = format!("some words before, {written} and some after");
            assert_eq!(canaries.find(there.as_bytes()).map(|(name, _)| name), Some("the secret"), "{written}");
        }
    }
    let other = Canaries::new().make("another");
    for innocent in [other.as_str(), &core[..PART - 1], "", "short"] {
        assert_eq!(canaries.find(innocent.as_bytes()), None, "{innocent}");
    }
    assert_eq!(bytes.len(), CORE);
}
