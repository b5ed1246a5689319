//! The columns of all parts as those of one file. A column that is null throughout a file takes the
//! type it has elsewhere: in another part, or in what landed before.

use super::KnownSchema;
use super::difference::Difference;
use crate::landing::compose::Found;
use crate::landing::inspect::{self, content};
use crate::landing::manifest::Column;
use crate::run::Fault;
use crate::schedule::Format;
use parquet::basic::Repetition;
use parquet::schema::parser::parse_message_type;
use parquet::schema::printer::print_schema;
use parquet::schema::types::{Type, TypePtr};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

#[derive(Default)]
pub(super) struct Joined {
    pub columns: Vec<Column>,
    /// Columns that hold a value other than null somewhere, as far as is known.
    pub filled: BTreeSet<String>,
    /// Parquet: the types of the published file.
    pub model: Option<TypePtr>,
    /// Parts whose file has another type for a column that is null throughout it.
    pub recast: BTreeSet<u32>,
}

/// Columns in the order they are first seen. Parquet files must agree in the types of those they share;
/// a part without rows has nothing to merge, whatever its header says.
pub(super) fn join(
    root: &Path,
    format: Format,
    found: &[Found],
    known: Option<&KnownSchema>,
) -> Result<Joined, Fault> {
    let parts: Vec<&Found> = found.iter().filter(|part| part.facts.rows > 0).collect();
    match format {
        Format::Csv => join_text(&parts),
        Format::Jsonl => Ok(join_lines(&parts)),
        Format::Parquet => Parquet::new(root, &parts).join(known),
    }
}

fn differ(joined: &[Column], other: &[Column]) -> Fault {
    let changed = Difference::between(joined, other);
    content(format!(
        "parts of one run differ in columns: {changed}. One Parquet file has one type a column, and no value is \
         changed here, so nothing was landed: ask ApartmentIQ for one type, or set format = \"csv\" or \"jsonl\""
    ))
}

fn join_text(parts: &[&Found]) -> Result<Joined, Fault> {
    let Some(first) = parts.first() else {
        return Ok(Joined::default());
    };
    let mut columns = first.facts.columns.clone();
    for other in parts
        .iter()
        .filter(|part| part.facts.columns != first.facts.columns)
    {
        join_columns(&mut columns, &other.facts.columns);
    }
    Ok(Joined {
        filled: columns.iter().map(|column| column.name.clone()).collect(),
        columns,
        ..Joined::default()
    })
}

/// Adds columns that are new, and gives one that was null throughout its type.
pub(in crate::landing) fn join_columns(joined: &mut Vec<Column>, more: &[Column]) {
    for column in more {
        match joined.iter_mut().find(|known| known.name == column.name) {
            Some(known) => known.kind = join_kind(&known.kind, &column.kind),
            None => joined.push(column.clone()),
        }
    }
}

/// A column that was null throughout takes the type that another part gives it.
fn join_kind(a: &str, b: &str) -> String {
    match (a, b) {
        (a, b) if a == b => a.to_owned(),
        ("null", kind) | (kind, "null") => kind.to_owned(),
        ("int", "float") | ("float", "int") => "float".to_owned(),
        _ => "mixed".to_owned(),
    }
}

fn join_lines(parts: &[&Found]) -> Joined {
    let mut joined = Joined::default();
    let mut places: BTreeMap<String, usize> = BTreeMap::new();
    for column in parts.iter().flat_map(|part| &part.facts.columns) {
        match places.get(&column.name) {
            Some(&at) => {
                let known: &mut Column = &mut joined.columns[at];
                known.kind = join_kind(&known.kind, &column.kind);
            }
            None => {
                places.insert(column.name.clone(), joined.columns.len());
                joined.columns.push(column.clone());
            }
        }
    }
    let filled = joined.columns.iter().filter(|column| column.kind != "null");
    joined.filled = filled.map(|column| column.name.clone()).collect();
    joined
}

struct Parquet<'a> {
    root: &'a Path,
    parts: &'a [&'a Found<'a>],
}

impl<'a> Parquet<'a> {
    fn new(root: &'a Path, parts: &'a [&'a Found<'a>]) -> Parquet<'a> {
        Parquet { root, parts }
    }

    fn join(&self, known: Option<&KnownSchema>) -> Result<Joined, Fault> {
        let Some(first) = self.parts.first() else {
            return Ok(Joined::default());
        };
        let mut columns = first.facts.columns.clone();
        self.settle_among_parts(&mut columns)?;
        self.settle_by_known(&mut columns, known)?;
        let mut model = self.types_of(first)?;
        for column in &columns {
            if kind_of(first, &column.name).is_some_and(|kind| *kind != column.kind) {
                model = with_field(&model, self.field(column, known)?)?;
            }
        }
        let differs = |part: &&&&Found| {
            let other = |column: &Column| {
                kind_of(part, &column.name).is_some_and(|kind| *kind != column.kind)
            };
            part.facts.columns != columns && columns.iter().any(other)
        };
        let recast = self.parts.iter().filter(|part| differs(&part));
        let filled = columns.iter().filter(|column| {
            let blank = |part: &&Found| part.facts.blank.contains(&column.name);
            !self.parts.iter().all(blank)
        });
        Ok(Joined {
            filled: filled.map(|column| column.name.clone()).collect(),
            recast: recast.map(|part| part.part.number).collect(),
            model: Some(model),
            columns,
        })
    }

    /// Parts that disagree about a type must be null throughout where they do.
    fn settle_among_parts(&self, columns: &mut Vec<Column>) -> Result<(), Fault> {
        for (at, part) in self.parts.iter().enumerate().skip(1) {
            let theirs = &part.facts.columns;
            if theirs == columns {
                continue;
            }
            for their in theirs {
                let known = columns.iter_mut().find(|column| column.name == their.name);
                let Some(column) = known else {
                    columns.push(their.clone());
                    continue;
                };
                if column.kind == their.kind || self.is_blank(part, &column.name)? {
                    continue;
                }
                for earlier in &self.parts[..at] {
                    if kind_of(earlier, &column.name).is_some()
                        && !self.is_blank(earlier, &column.name)?
                    {
                        return Err(differ(&self.parts[0].facts.columns, theirs));
                    }
                }
                column.kind.clone_from(&their.kind);
            }
        }
        Ok(())
    }

    /// A column that is null throughout the run keeps the type under which it landed before.
    fn settle_by_known(
        &self,
        columns: &mut [Column],
        known: Option<&KnownSchema>,
    ) -> Result<(), Fault> {
        let Some(known) = known.filter(|known| known.parquet.is_some()) else {
            return Ok(());
        };
        for column in columns {
            let before = known.columns.iter().find(|known| known.name == column.name);
            let Some(before) = before.filter(|before| before.kind != column.kind && before.filled)
            else {
                continue;
            };
            let mut blank = true;
            for part in self.parts {
                let absent = kind_of(part, &column.name).is_none();
                blank = blank && (absent || self.is_blank(part, &column.name)?);
            }
            if blank && known.field(&column.name).is_some() {
                column.kind.clone_from(&before.kind);
            }
        }
        Ok(())
    }

    /// Looks at every value: a footer may lie about how many are null.
    fn is_blank(&self, part: &Found, column: &str) -> Result<bool, Fault> {
        let path = self.root.join(&part.part.artifact.path);
        inspect::is_blank(&path, column)
    }

    fn types_of(&self, part: &Found) -> Result<TypePtr, Fault> {
        let path = self.root.join(&part.part.artifact.path);
        let reader = inspect::open_parquet(&path)?;
        Ok(inspect::root_type(&reader))
    }

    /// The column as another part or an earlier run has it.
    fn field(&self, column: &Column, known: Option<&KnownSchema>) -> Result<TypePtr, Fault> {
        let same = |part: &&&Found| kind_of(part, &column.name) == Some(&column.kind);
        if let Some(part) = self.parts.iter().find(same) {
            let root = self.types_of(part)?;
            if let Some(field) = field_of(&root, &column.name) {
                return Ok(field);
            }
        }
        known
            .and_then(|known| known.field(&column.name))
            .ok_or_else(|| content(format!("column `{}` has two types", column.name)))
    }
}

fn kind_of<'a>(part: &'a Found, column: &str) -> Option<&'a String> {
    let columns = part.facts.columns.iter();
    let mut named = columns.filter(|known| known.name == column);
    named.next().map(|column| &column.kind)
}

impl KnownSchema {
    /// A flat column that may be null, with its type in full.
    fn field(&self, name: &str) -> Option<TypePtr> {
        let root = parse_message_type(self.parquet.as_deref()?).ok()?;
        field_of(&root, name)
    }
}

fn field_of(root: &Type, name: &str) -> Option<TypePtr> {
    let named = root
        .get_fields()
        .iter()
        .find(|field| field.name() == name)?;
    let optional = named.get_basic_info().repetition() == Repetition::OPTIONAL;
    (named.is_primitive() && optional).then(|| Arc::clone(named))
}

/// The same columns, one of them under another type.
pub(in crate::landing) fn with_field(root: &Type, field: TypePtr) -> Result<TypePtr, Fault> {
    let fields = root
        .get_fields()
        .iter()
        .map(|old| match old.name() == field.name() {
            true => Arc::clone(&field),
            false => Arc::clone(old),
        });
    Type::group_type_builder(root.name())
        .with_fields(fields.collect())
        .build()
        .map(Arc::new)
        .map_err(|error| inspect::corrupt(&error))
}

/// A schema as text; `None` if it cannot be read back the same.
pub(super) fn as_text(root: &TypePtr) -> Option<String> {
    let mut text = Vec::new();
    print_schema(&mut text, root);
    let text = String::from_utf8(text).ok()?;
    let back = parse_message_type(&text).ok()?;
    (back.get_fields().len() == root.get_fields().len()).then_some(text)
}
