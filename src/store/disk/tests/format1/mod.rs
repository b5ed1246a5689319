//! A folder that a program of format 1 left behind when it was killed, and what that program itself exported from it.

use flate2::read::GzDecoder;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

/// Of each file its path, a line; its length, a line; its bytes.
const STATE: &[u8] = include_bytes!("state.gz");
const EXPORT: &[u8] = include_bytes!("export.jsonl.gz");

pub fn unpack(into: &Path) {
    let mut packed = BufReader::new(GzDecoder::new(STATE));
    let mut name = String::new();
    while packed.read_line(&mut name).expect("a path") > 0 {
        let mut length = String::new();
        packed.read_line(&mut length).expect("a length");
        let mut bytes = vec![0; length.trim().parse().expect("a number")];
        packed.read_exact(&mut bytes).expect("a file");
        let path = into.join(name.trim());
        fs::create_dir_all(path.parent().expect("a folder")).expect("made");
        fs::write(path, bytes).expect("written");
        name.clear();
    }
    fs::create_dir_all(into.join("sled/blobs")).expect("made");
}

pub fn export() -> Vec<u8> {
    let mut bytes = Vec::new();
    GzDecoder::new(EXPORT)
        .read_to_end(&mut bytes)
        .expect("whole");
    bytes
}
