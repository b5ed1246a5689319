//! Deterministic draws: the same seed and the same parts give the same sequence, on every machine.

/// A splitmix64 sequence. Not for secrets that must hold against an attacker; the simulator has none.
pub struct Seeded(u64);

const GAMMA: u64 = 0x9e37_79b9_7f4a_7c15;

impl Seeded {
    /// A sequence that depends on every part and on their order.
    pub fn new(parts: &[u64]) -> Self {
        let mut state = 0;
        for part in parts {
            state = scramble(state ^ part).wrapping_add(GAMMA);
        }
        Seeded(state)
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(GAMMA);
        scramble(self.0)
    }

    /// Uniform in `0..bound`; 0 for a bound of 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.next().checked_rem(bound).unwrap_or(0)
    }

    /// Uniform in `0.0..1.0`.
    pub fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Uniform in `low..high`.
    pub fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.unit()
    }

    pub fn chance(&mut self, probability: f64) -> bool {
        self.unit() < probability
    }

    pub fn pick<'a, T>(&mut self, choices: &'a [T]) -> &'a T {
        &choices[self.below(choices.len() as u64) as usize]
    }
}

/// A part that keeps draws for one purpose apart from those for another.
pub const fn salt(purpose: &str) -> u64 {
    let bytes = purpose.as_bytes();
    let mut salt = 0;
    let mut position = 0;
    while position < bytes.len() {
        salt = (salt ^ bytes[position] as u64).wrapping_mul(GAMMA) >> 1;
        position += 1;
    }
    salt
}

fn scramble(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// A version 4 shaped UUID.
pub fn uuid(parts: &[u64]) -> String {
    let mut draw = Seeded::new(parts);
    let high = draw.next() & !0xf000 | 0x4000;
    let low = draw.next() & !(0b11 << 62) | 0b10 << 62;
    format!(
        "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
        high >> 32,
        (high >> 16) & 0xffff,
        high & 0xffff,
        low >> 48,
        low & 0xffff_ffff_ffff
    )
}

/// `words` × 16 hex digits.
pub fn hex(parts: &[u64], words: usize) -> String {
    let mut draw = Seeded::new(parts);
    (0..words)
        .map(|_| format!("{:016x}", draw.next()))
        .collect()
}

/// Base64 with the URL alphabet and no padding, as in a JWT.
pub fn base64url(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let mut group = [0u8; 3];
        group[..chunk.len()].copy_from_slice(chunk);
        let bits = u32::from_be_bytes([0, group[0], group[1], group[2]]);
        for position in 0..=chunk.len() {
            let digit = (bits >> (18 - 6 * position)) & 0x3f;
            text.push(ALPHABET[digit as usize] as char);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_parts_give_the_same_sequence_and_others_do_not() {
        let draw = |parts: &[u64]| {
            let mut seeded = Seeded::new(parts);
            [seeded.next(), seeded.next()]
        };
        assert_eq!(draw(&[1, 2]), draw(&[1, 2]));
        assert_ne!(draw(&[1, 2]), draw(&[2, 1]));
    }

    #[test]
    fn a_uuid_has_version_4_and_its_variant() {
        for n in 0..200 {
            let id = uuid(&[1, n]);
            assert_eq!(id.len(), 36);
            assert_eq!(&id[14..15], "4");
            assert!("89ab".contains(&id[19..20]), "{id}");
        }
    }

    #[test]
    fn base64url_of_the_rfc_4648_vectors() {
        let cases = [
            ("", ""),
            ("f", "Zg"),
            ("fo", "Zm8"),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg"),
        ];
        for (plain, encoded) in cases {
            assert_eq!(base64url(plain.as_bytes()), encoded);
        }
    }
}
