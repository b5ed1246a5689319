//! Which delivered parts can be published: those whose raw file is as it was fetched, and those whose rows have
//! landed already, for which the published files stand when the raw one has had its time. The others are lost and
//! must be had again.

use super::cells::Cells;
use super::compose::separable;
use super::disk::{Disk, disk_fault};
use super::inspect::content;
use super::manifest::Manifest;
use super::partition::{Slice, intersection, slices};
use super::{Delivered, PublishOrder, recover};
use crate::run::{Fault, FaultClass};
use std::io::ErrorKind;
use std::path::Path;

/// The parts of an order by where their rows can be had, each list by number.
pub(super) struct Sorted<'a> {
    pub there: Vec<&'a Delivered>,
    pub landed: Vec<&'a Delivered>,
    /// Each with what is wrong with its raw file.
    pub lost: Vec<(&'a Delivered, Fault)>,
}

/// Looks for every part's rows. A raw file is read if this process does not know its bytes.
pub(super) fn sort<'a>(disk: &Disk, order: &'a PublishOrder) -> Result<Sorted<'a>, Fault> {
    let mut parts: Vec<&Delivered> = order.parts.iter().collect();
    parts.sort_by_key(|part| part.number);
    let mut sorted = Sorted {
        there: Vec::new(),
        landed: Vec::new(),
        lost: Vec::new(),
    };
    for part in parts {
        match raw_fault(disk, part)? {
            None => sorted.there.push(part),
            Some(_) if has_landed(disk.root(), order, part)? => sorted.landed.push(part),
            Some(fault) => sorted.lost.push((part, fault)),
        }
    }
    Ok(sorted)
}

/// Why the raw file of a part cannot be used, if so.
fn raw_fault(disk: &Disk, part: &Delivered) -> Result<Option<Fault>, Fault> {
    let artifact = &part.artifact;
    let (raw, path) = (disk.root().join(&artifact.path), &artifact.path);
    match disk.proven().prove(&raw, artifact.bytes, &artifact.sha256) {
        Ok(true) => Ok(None),
        Ok(false) => Ok(Some(content(format!(
            "{path} is not the file that was fetched"
        )))),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Some(Fault::new(
            FaultClass::Gone,
            format!(
                "{path} is not there any more, perhaps older than landing.raw_retention: export its days anew"
            ),
        ))),
        Err(error) => Err(disk_fault("read", &raw, &error)),
    }
}

/// Whether the rows of a part are in published files, from which they can be kept: by itself, or because later
/// deliveries of all its cells have taken their place.
fn has_landed(root: &Path, order: &PublishOrder, part: &Delivered) -> Result<bool, Fault> {
    if part.artifact.rows == 0 {
        return Ok(true);
    }
    let (mut named, mut left) = (false, false);
    for slice in slices(order.partition, order.window) {
        let Some(window) = intersection(part.window, slice.window) else {
            continue;
        };
        let mut wanted = Cells::none(&part.properties, slice.window);
        wanted.set_rectangle(&part.properties, window);
        let manifest = Manifest::load_unless_broken(root, &order.schedule, &slice.key)?;
        if let Some(manifest) = manifest.filter(|manifest| manifest.file.rows > 0) {
            if manifest.jobs.iter().any(|job| job.is_of(part)) {
                named = true;
                if !recover::is_sound(root, &manifest)
                    || !tells_apart(order, &slice, &manifest, part)
                {
                    return Ok(false);
                }
            }
            let mut landed = Cells::none(&part.properties, slice.window);
            manifest.mark_landed(&mut landed);
            wanted.clear(&landed);
        }
        left |= !wanted.is_empty();
    }
    Ok(named || !left)
}

/// Whether the part's rows in a published file can be told from all others of its partition.
fn tells_apart(order: &PublishOrder, slice: &Slice, manifest: &Manifest, part: &Delivered) -> bool {
    let mut properties = manifest.asked_properties();
    properties.extend(&order.properties);
    properties.sort_unstable();
    properties.dedup();
    let mut others = Cells::none(&properties, slice.window);
    let mut own = others.clone();
    manifest.mark_asked(&mut others);
    if let Some(window) = intersection(order.window, slice.window) {
        others.set_rectangle(&order.properties, window);
    }
    if let Some(window) = intersection(part.window, slice.window) {
        own.set_rectangle(&part.properties, window);
    }
    others.clear(&own);
    let has = |name: &String| manifest.columns.iter().any(|column| column.name == *name);
    let by_date = has(&order.columns.date) || slice.window.len() == 1;
    let apart = separable(&own, &others, has(&order.columns.property), by_date);
    manifest.format == order.format && (others.is_empty() || apart)
}
