//! The fuzz corpora without a fuzzer: every file as it is, and thousands of small damages of each, drawn from seeds.

#[path = "../../fuzz/src/lib.rs"]
mod entries;

use entries::ENTRIES;
use std::fs;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

/// The entries write into one folder: one at a time.
static ONE: Mutex<()> = Mutex::new(());

fn corpus(name: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fuzz/corpus")
        .join(name);
    let mut files: Vec<_> = fs::read_dir(&folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|entry| entry.expect("an entry").path())
        .map(|path| (path.clone(), fs::read(&path).expect("a file")))
        .collect();
    files.sort();
    assert!(!files.is_empty(), "{} is empty", folder.display());
    files
}

struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % bound.max(1) as u64).unwrap_or(0)
    }
}

/// Bytes that parsers trip over.
const TRAPS: [&[u8]; 12] = [
    b"\0",
    b"\xff\xfe",
    b"\"",
    b"\n\n",
    b"\r",
    b",,,,",
    b"{{{{[[[[",
    b"1e999",
    b"-9223372036854775809",
    b"\xed\xa0\x80",
    b"PAR1",
    b"NaN",
];

fn damage(bytes: &[u8], other: &[u8], dice: &mut Dice) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for _ in 0..=dice.below(4) {
        let at = dice.below(bytes.len() + 1);
        let stop = (at + dice.below(16)).min(bytes.len());
        match dice.below(7) {
            0 => bytes.truncate(at),
            1 => drop(bytes.drain(at..stop)),
            2 => drop(bytes.splice(at..at, TRAPS[dice.below(TRAPS.len())].iter().copied())),
            3 => {
                let piece = bytes[at..stop].to_vec();
                bytes.splice(at..at, piece);
            }
            4 => {
                let from = dice.below(other.len() + 1);
                bytes.splice(at..stop, other[from..].iter().take(64).copied());
            }
            5 if at < bytes.len() => bytes[at] = u8::try_from(dice.below(256)).unwrap_or(0),
            _ if at < bytes.len() => bytes[at] ^= 1 << dice.below(8),
            _ => {}
        }
    }
    bytes
}

/// Feeds each corpus with so many damages of each of its files.
fn feed(damages: u64) {
    let _one = ONE
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    for (name, entry) in ENTRIES {
        let files = corpus(name);
        let mut fed = 0;
        for (place, (path, bytes)) in files.iter().enumerate() {
            let other = &files[(place + 1) % files.len()].1;
            for seed in 0..=damages {
                let bytes = match seed {
                    0 => bytes.clone(),
                    _ => damage(bytes, other, &mut Dice(seed)),
                };
                fed += 1;
                let survived = catch_unwind(|| entry(&bytes)).is_ok();
                assert!(
                    survived,
                    "{name}: {} with damage {seed}: {}",
                    path.display(),
                    bytes.escape_ascii()
                );
            }
        }
        println!("{name}: {} files, {fed} inputs", files.len());
    }
}

#[test]
fn every_corpus_is_replayed_with_some_damage() {
    feed(100);
}

#[test]
#[ignore = "minutes long; .ci/torture runs it"]
fn every_corpus_is_replayed_with_much_damage() {
    feed(20_000);
}
