//! The types of several Parquet files as those of one: all columns that any of them has.

use super::Pass;
use crate::landing::inspect::{content, corrupt, is_blank, open_parquet};
use crate::run::Fault;
use parquet::basic::Repetition;
use parquet::file::reader::FileReader;
use parquet::file::serialized_reader::SerializedFileReader;
use parquet::schema::types::{ColumnDescriptor, SchemaDescriptor, Type, TypePtr};
use std::collections::BTreeMap;
use std::fs::File;
use std::sync::Arc;

/// Columns in the order they are first seen. One that a file lacks is null there, so it may be null.
/// `model` has the first of them, with their types; a file may differ from it where it is null.
pub(super) fn union(pass: &Pass, model: Option<&TypePtr>) -> Result<Option<TypePtr>, Fault> {
    let mut root: Option<TypePtr> = model.cloned();
    let first = root.iter().flat_map(|root| root.get_fields());
    let mut fields: Vec<(TypePtr, usize)> = first.map(|field| (Arc::clone(field), 0)).collect();
    let places = fields.iter().zip(0..);
    let mut places: BTreeMap<String, usize> = places
        .map(|((field, _), at)| (field.name().to_owned(), at))
        .collect();
    let mut files = 0;
    for source in pass.sources() {
        let reader = open_parquet(&source.path)?;
        let theirs = root_of(&reader);
        files += 1;
        for field in theirs.get_fields() {
            match places.get(field.name()) {
                Some(&at) => {
                    let (known, seen) = &mut fields[at];
                    match joined(known, field) {
                        Ok(both) => {
                            *known = both;
                            *seen += 1;
                        }
                        Err(_) if is_blank(&source.path, field.name())? => {}
                        Err(fault) => return Err(fault),
                    }
                }
                None => {
                    places.insert(field.name().to_owned(), fields.len());
                    fields.push((Arc::clone(field), 1));
                }
            }
        }
        root.get_or_insert(theirs);
    }
    let Some(root) = root else { return Ok(None) };
    let mut all = Vec::with_capacity(fields.len());
    for (field, seen) in fields {
        all.push(match seen < files {
            true => nullable(&field)?,
            false => field,
        });
    }
    if root.get_fields() == all {
        return Ok(Some(root));
    }
    let union = Type::group_type_builder(root.name()).with_fields(all);
    let union = union.build().map_err(|error| corrupt(&error))?;
    Ok(Some(Arc::new(union)))
}

fn root_of(reader: &SerializedFileReader<File>) -> TypePtr {
    let schema = reader.metadata().file_metadata().schema_descr();
    schema.root_schema_ptr()
}

/// The type that holds the values of both.
fn joined(known: &TypePtr, other: &TypePtr) -> Result<TypePtr, Fault> {
    if known == other {
        return Ok(Arc::clone(known));
    }
    let differ = || {
        let name = known.name();
        content(format!(
            "column `{name}` has other types in the rows that are there and in those that came ({} and {}), and no value \
             is changed here, so nothing was landed: export all properties of these days anew, so that none stay",
            kind(known),
            kind(other)
        ))
    };
    if !known.is_primitive() || !other.is_primitive() {
        return Err(differ());
    }
    let (one, two) = (nullable(known)?, nullable(other)?);
    let required = |field: &TypePtr| field.get_basic_info().repetition() == Repetition::REQUIRED;
    match one == two {
        true if required(known) && required(other) => Ok(Arc::clone(known)),
        true => Ok(one),
        false => Err(differ()),
    }
}

fn kind(field: &TypePtr) -> String {
    match field.is_primitive() {
        true => format!("{:?}", field.get_physical_type()).to_lowercase(),
        false => "a group".to_owned(),
    }
}

/// The same column, where its values may be null.
pub(in crate::landing) fn nullable(field: &TypePtr) -> Result<TypePtr, Fault> {
    let info = field.get_basic_info();
    if info.repetition() != Repetition::REQUIRED && !info.has_id() {
        return Ok(Arc::clone(field));
    }
    let Type::PrimitiveType {
        physical_type,
        type_length,
        scale,
        precision,
        ..
    } = **field
    else {
        return match info.repetition() {
            Repetition::REQUIRED => Err(content(format!(
                "the files to be merged do not all have the group `{}`",
                field.name()
            ))),
            _ => Ok(Arc::clone(field)),
        };
    };
    let repetition = match info.repetition() {
        Repetition::REQUIRED => Repetition::OPTIONAL,
        other => other,
    };
    Type::primitive_type_builder(field.name(), physical_type)
        .with_repetition(repetition)
        .with_converted_type(info.converted_type())
        .with_logical_type(info.logical_type_ref().cloned())
        .with_length(type_length)
        .with_precision(precision)
        .with_scale(scale)
        .build()
        .map(Arc::new)
        .map_err(|error| corrupt(&error))
}

/// How a source fits the union.
pub(super) struct Mould {
    pub root: TypePtr,
    /// For each leaf of the union, where it comes from.
    pub leaves: Vec<Leaf>,
    /// The source has just these columns.
    pub is_plain: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Leaf {
    /// This leaf of the source, whose chunks can be appended as they are.
    Same(usize),
    /// This leaf of the source, to be written anew: it may be null here, and not there.
    Recast(usize),
    /// The source does not have it.
    Null,
}

impl Mould {
    pub fn of(reader: &SerializedFileReader<File>, union: &SchemaDescriptor) -> Mould {
        let ours = reader.metadata().file_metadata().schema_descr();
        let paths = ours.columns().iter().enumerate();
        let places: BTreeMap<String, usize> =
            paths.map(|(at, leaf)| (leaf.path().string(), at)).collect();
        let leaf_of = |wanted: &Arc<ColumnDescriptor>| {
            let at = places.get(&wanted.path().string()).copied();
            match at.map(|at| (at, ours.column(at))) {
                Some((at, leaf)) if leaf == *wanted => Leaf::Same(at),
                Some((at, leaf)) if same_values(&leaf, wanted) => Leaf::Recast(at),
                _ => Leaf::Null,
            }
        };
        Mould {
            root: union.root_schema_ptr(),
            leaves: union.columns().iter().map(leaf_of).collect(),
            is_plain: ours.root_schema() == union.root_schema(),
        }
    }
}

/// Whether a column differs only in whether it may be null; what else differs is null throughout.
fn same_values(ours: &ColumnDescriptor, wanted: &ColumnDescriptor) -> bool {
    ours.physical_type() == wanted.physical_type()
        && ours.type_length() == wanted.type_length()
        && ours.logical_type_ref() == wanted.logical_type_ref()
        && ours.converted_type() == wanted.converted_type()
        && ours.type_precision() == wanted.type_precision()
        && ours.type_scale() == wanted.type_scale()
}
