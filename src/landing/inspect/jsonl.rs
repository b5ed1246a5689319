//! JSON Lines: each line one object, validated whole, looked into only where asked.

use super::content;
use super::datum::Datum;
use super::facts::Facts;
use super::keys::Sorted;
use super::tally::{Slots, Tally};
use crate::landing::manifest::Column;
use crate::run::Fault;
use memchr::memchr;
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;

/// The longest line or record.
pub(in crate::landing) const LINE_MAX: usize = 16 << 20;
const COLUMNS_MAX: usize = 16_384;

/// What JSON says a value is; mixed kinds of a column are joined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Null,
    Bool,
    Int,
    Float,
    Text,
    Array,
    Object,
    Mixed,
}

impl Kind {
    fn join(self, other: Kind) -> Kind {
        match (self, other) {
            (a, b) if a == b => a,
            (Kind::Null, kind) | (kind, Kind::Null) => kind,
            (Kind::Int, Kind::Float) | (Kind::Float, Kind::Int) => Kind::Float,
            _ => Kind::Mixed,
        }
    }

    fn as_str(self) -> &'static str {
        match self {
            Kind::Null => "null",
            Kind::Bool => "bool",
            Kind::Int => "int",
            Kind::Float => "float",
            Kind::Text => "text",
            Kind::Array => "array",
            Kind::Object => "object",
            Kind::Mixed => "mixed",
        }
    }
}

struct Known {
    name: String,
    kind: Kind,
    /// The slots that this column fills.
    slots: Vec<usize>,
}

/// The columns seen so far; rows tend to repeat their order, so the next one is guessed first.
struct Catalogue {
    known: Vec<Known>,
    by_name: HashMap<String, usize>,
    slots: Slots,
}

impl Catalogue {
    fn new(slots: Slots) -> Catalogue {
        Catalogue {
            known: Vec::new(),
            by_name: HashMap::new(),
            slots,
        }
    }

    fn place(&mut self, name: &str, guess: usize) -> Option<usize> {
        if self
            .known
            .get(guess)
            .is_some_and(|known| known.name == name)
        {
            return Some(guess);
        }
        if let Some(&at) = self.by_name.get(name) {
            return Some(at);
        }
        if self.known.len() >= COLUMNS_MAX {
            return None;
        }
        let names = self.slots.names().iter().enumerate();
        let slots = names
            .filter(|(_, slot)| *slot == name)
            .map(|(slot, _)| slot);
        self.known.push(Known {
            name: name.to_owned(),
            kind: Kind::Null,
            slots: slots.collect(),
        });
        self.by_name.insert(name.to_owned(), self.known.len() - 1);
        Some(self.known.len() - 1)
    }
}

pub(super) struct Inspection {
    tally: Tally,
    catalogue: Catalogue,
    pending: Vec<u8>,
    lines: u64,
}

impl Inspection {
    pub fn new(tally: Tally) -> Inspection {
        Inspection {
            catalogue: Catalogue::new(tally.slots.clone()),
            tally,
            pending: Vec::new(),
            lines: 0,
        }
    }

    pub fn feed(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        let mut rest = bytes;
        if !self.pending.is_empty() {
            let Some(at) = memchr(b'\n', rest) else {
                return self.keep(rest);
            };
            self.keep(&rest[..=at])?;
            let line = std::mem::take(&mut self.pending);
            self.line(&line)?;
            rest = &rest[at + 1..];
        }
        while let Some(at) = memchr(b'\n', rest) {
            self.line(&rest[..=at])?;
            rest = &rest[at + 1..];
        }
        self.keep(rest)
    }

    fn keep(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        if self.pending.len() + bytes.len() > LINE_MAX {
            let line = self.lines + 1;
            return Err(content(format!(
                "line {line} is longer than {LINE_MAX} bytes"
            )));
        }
        self.pending.extend_from_slice(bytes);
        Ok(())
    }

    fn line(&mut self, line: &[u8]) -> Result<(), Fault> {
        self.lines += 1;
        let mut line = line;
        if self.lines == 1
            && let Some(rest) = line.strip_prefix(super::csv::MARK)
        {
            self.tally
                .remarks
                .push("begins with a byte order mark".to_owned());
            line = rest;
        }
        if line.trim_ascii().is_empty() {
            return Ok(());
        }
        let mut deserializer = serde_json::Deserializer::from_slice(line);
        let row = Row {
            catalogue: &mut self.catalogue,
        };
        let read = row
            .deserialize(&mut deserializer)
            .and_then(|values| deserializer.end().map(|()| values));
        let values = read.map_err(|error| {
            let number = self.lines;
            content(format!(
                "line {number} is not one JSON object: {}",
                plain(&error)
            ))
        })?;
        self.tally.row(|slot| values[slot].clone());
        Ok(())
    }

    pub fn finish(mut self) -> Result<(Facts, Option<Sorted>), Fault> {
        if !self.pending.is_empty() {
            let line = std::mem::take(&mut self.pending);
            self.line(&line)?;
            self.tally.remarks.push("ends without a newline".to_owned());
        }
        let columns = self.catalogue.known.into_iter().map(|known| Column {
            name: known.name,
            kind: known.kind.as_str().to_owned(),
        });
        self.tally.finish(columns.collect())
    }
}

/// The parser's words without its own line number, which is always 1.
fn plain(error: &serde_json::Error) -> String {
    let text = error.to_string();
    text.split(" at line ")
        .next()
        .unwrap_or_default()
        .to_owned()
}

/// Reads a line into slots.
struct Row<'c> {
    catalogue: &'c mut Catalogue,
}

impl<'de> DeserializeSeed<'de> for Row<'_> {
    type Value = Vec<Datum<'de>>;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Row<'_> {
    type Value = Vec<Datum<'de>>;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut values = vec![Datum::Absent; self.catalogue.slots.len()];
        let mut guess = 0;
        while let Some(at) = map.next_key_seed(Place {
            catalogue: self.catalogue,
            guess,
        })? {
            let known = &mut self.catalogue.known[at];
            let (datum, kind) = if known.slots.is_empty() {
                (Datum::Absent, map.next_value_seed(Glance)?)
            } else {
                map.next_value_seed(Look)?
            };
            known.kind = known.kind.join(kind);
            if let Some((first, others)) = known.slots.split_first() {
                for slot in others {
                    values[*slot] = datum.clone();
                }
                values[*first] = datum;
            }
            guess = at + 1;
        }
        Ok(values)
    }
}

/// Reads a key into its place among the columns.
struct Place<'c> {
    catalogue: &'c mut Catalogue,
    guess: usize,
}

impl<'de> DeserializeSeed<'de> for Place<'_> {
    type Value = usize;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<usize, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Place<'_> {
    type Value = usize;
    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("a key")
    }
    fn visit_str<E: Error>(self, name: &str) -> Result<usize, E> {
        self.catalogue
            .place(name, self.guess)
            .ok_or_else(|| E::custom(format_args!("more than {COLUMNS_MAX} columns")))
    }
}

/// A value of a column nobody asked about: only its kind.
struct Glance;
/// A value that is looked into.
struct Look;

macro_rules! visit_value {
    ($visitor:ty, $value:ty, $text:expr, $scalar:expr) => {
        impl<'de> DeserializeSeed<'de> for $visitor {
            type Value = $value;
            fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<$value, D::Error> {
                from.deserialize_any(self)
            }
        }

        impl<'de> Visitor<'de> for $visitor {
            type Value = $value;
            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("a value")
            }
            fn visit_unit<E: Error>(self) -> Result<$value, E> {
                Ok($scalar(Datum::Null, Kind::Null))
            }
            fn visit_bool<E: Error>(self, truth: bool) -> Result<$value, E> {
                Ok($scalar(Datum::Bool(truth), Kind::Bool))
            }
            fn visit_i64<E: Error>(self, number: i64) -> Result<$value, E> {
                Ok($scalar(Datum::Int(number), Kind::Int))
            }
            fn visit_u64<E: Error>(self, number: u64) -> Result<$value, E> {
                #[expect(clippy::cast_precision_loss, reason = "beyond i64 only")]
                let datum = i64::try_from(number).map_or(Datum::Float(number as f64), Datum::Int);
                Ok($scalar(datum, Kind::Int))
            }
            fn visit_f64<E: Error>(self, number: f64) -> Result<$value, E> {
                Ok($scalar(Datum::Float(number), Kind::Float))
            }
            fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<$value, E> {
                Ok($text(Cow::Borrowed(text.as_bytes())))
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<$value, E> {
                Ok($text(Cow::Owned(text.as_bytes().to_vec())))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<$value, A::Error> {
                while seq.next_element::<IgnoredAny>()?.is_some() {}
                Ok($scalar(Datum::Nested, Kind::Array))
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<$value, A::Error> {
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok($scalar(Datum::Nested, Kind::Object))
            }
        }
    };
}

visit_value!(
    Glance,
    Kind,
    |_: Cow<'de, [u8]>| Kind::Text,
    |_: Datum<'de>, kind| kind
);
visit_value!(
    Look,
    (Datum<'de>, Kind),
    |text| (Datum::Text(text), Kind::Text),
    |datum, kind| (datum, kind)
);

/// Reads the slots of lines that passed inspection, to decide where each line goes.
pub(in crate::landing) struct Slotted {
    catalogue: Catalogue,
}

impl Slotted {
    pub fn new(slots: Slots) -> Slotted {
        Slotted {
            catalogue: Catalogue::new(slots),
        }
    }

    pub fn read<'l>(&mut self, line: &'l [u8]) -> Result<Vec<Datum<'l>>, Fault> {
        let row = Row {
            catalogue: &mut self.catalogue,
        };
        row.deserialize(&mut serde_json::Deserializer::from_slice(line))
            .map_err(|error| content(format!("a line is not one JSON object: {}", plain(&error))))
    }
}
