//! Published Parquet whose column is null throughout, under a type that no value had proved, made anew under the type
//! that values have shown since: readers of all files meet one type.

use super::compose::{self, Action, Composition};
use super::disk::Disk;
use super::inspect::{self, root_type};
use super::manifest::{Column, FileEntry, Manifest};
use super::merge::{self, Form, Source, Take};
use super::schema::{self, Comparison};
use super::{PublishOrder, announce, layout, place, recover};
use crate::run::Fault;
use crate::schedule::Format;
use parquet::schema::types::TypePtr;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Columns and files named in an event.
const NAMED: usize = 20;

/// Makes the schedule's earlier files anew whose columns are null under another type than the run's values have, each by
/// a rename like any other. Columns that had a value before the run are not looked at, nor are files with other values.
/// Gives the manifests of all files that have these columns so, made anew by this call or not.
///
/// It comes before the run's own files are put, and before `schema.json` knows the type, so that a repeat completes it.
///
/// # Errors
/// `Disk` if a file cannot be read or written.
pub(super) fn retype(
    disk: &Disk,
    order: &PublishOrder,
    composition: &Composition,
    schema: &Comparison,
) -> Result<Vec<Manifest>, Fault> {
    let proven = schema.proven();
    let (Format::Parquet, Some(model), false) = (order.format, schema.model(), proven.is_empty())
    else {
        return Ok(Vec::new());
    };
    let targets = composition.targets.iter();
    let own: BTreeSet<&str> = targets
        .filter(|target| target.action != Action::Nothing)
        .map(|target| target.slice.key.as_str())
        .collect();
    let mut manifests = Vec::new();
    for key in layout::keys(disk.root(), &order.schedule)? {
        if own.contains(key.as_str()) {
            continue;
        }
        let manifest = Manifest::load_unless_broken(disk.root(), &order.schedule, &key)?;
        let Some(manifest) = manifest.filter(|manifest| manifest.format == order.format) else {
            continue;
        };
        manifests.extend(one(disk, order, &key, manifest, proven, model)?);
    }
    Ok(manifests)
}

fn one(
    disk: &Disk,
    order: &PublishOrder,
    key: &str,
    mut manifest: Manifest,
    proven: &[Column],
    model: &TypePtr,
) -> Result<Option<Manifest>, Fault> {
    let named = |column: &&Column| {
        let mut theirs = manifest.columns.iter();
        theirs.any(|their| their.name == column.name)
    };
    let shared: Vec<&Column> = proven.iter().filter(named).collect();
    let Some(path) = manifest.file.path.clone().filter(|_| !shared.is_empty()) else {
        return Ok(None);
    };
    let wanted: Vec<&Column> = shared
        .into_iter()
        .filter(|column| !manifest.columns.contains(column))
        .collect();
    if wanted.is_empty() {
        return Ok(Some(manifest));
    }
    // A damaged file is made anew from raw/ when its days are next exported.
    if !recover::is_sound(disk.root(), &manifest) {
        return Ok(None);
    }
    let file = disk.root().join(&path);
    let mut root = root_type(&inspect::open_parquet(&file)?);
    let before = root.clone();
    for column in wanted {
        let mut fields = model.get_fields().iter();
        let field = fields.find(|field| field.name() == column.name && field.is_primitive());
        if let Some(field) = field
            && inspect::is_blank(&file, &column.name)?
        {
            root = schema::with_field(&root, merge::nullable(field)?)?;
            let mut theirs = manifest.columns.iter_mut();
            if let Some(their) = theirs.find(|their| their.name == column.name) {
                their.kind.clone_from(&column.kind);
            }
        }
    }
    if root == before {
        return Ok(None);
    }
    let source = Source {
        path: file.clone(),
        rows: manifest.file.rows,
        take: Take::Whole(0),
    };
    let staged = compose::staged(disk.root(), order, key);
    let (form, slots) = (Form::Parquet(Some(root)), compose::slots(order));
    let merged = merge::merge(
        disk,
        &form,
        &slots,
        &[source],
        std::slice::from_ref(&staged),
    )?;
    let Some(merged) = merged.into_iter().flatten().next() else {
        return Ok(None);
    };
    manifest.generation += 1;
    manifest.file = FileEntry {
        path: Some(path),
        bytes: merged.bytes,
        sha256: Some(merged.sha256),
        rows: merged.rows,
    };
    place::stage(disk, order, key, &manifest)?;
    disk.rename(&staged, &file)?;
    place::put_manifest(disk, order, key)?;
    Ok(Some(manifest))
}

/// The event of files made anew, as `changes.jsonl` tells of them; their rows are as they were.
///
/// # Errors
/// `Disk` if `changes.jsonl` cannot be read.
pub(super) fn event(
    disk: &Disk,
    order: &PublishOrder,
    schema: &Comparison,
    own: &[Manifest],
) -> Result<Option<Value>, Fault> {
    if schema.proven().is_empty() {
        return Ok(None);
    }
    let mut files = announce::put_by(disk.root(), order)?;
    let own: BTreeSet<&String> = own
        .iter()
        .filter_map(|one| one.file.path.as_ref())
        .collect();
    files.retain(|path| !own.contains(path));
    let columns: Vec<&Column> = schema.proven().iter().take(NAMED).collect();
    Ok((!files.is_empty()).then(|| {
        json!({
            "event": "columns_proven", "columns": columns, "files": files.len(),
            "first": &files[..files.len().min(NAMED)],
            "because": "these columns were null throughout the files under another type; values have shown \
                        the true one, and readers of all files need one type",
        })
    }))
}
