//! A window and its properties, cut into the fewest parts that fit one job each.

use crate::schedule::{Chunk, Window};
use chrono::Days;

/// A range of the run's sorted property list × some of its days.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slice {
    pub first: u32,
    pub count: u32,
    pub window: Window,
}

pub fn parts(properties: &[i64], window: Window, chunk: Chunk) -> Vec<Slice> {
    let mut slices = Vec::new();
    for (start, days) in even(window.len(), chunk.days) {
        let from = window.from + Days::new(u64::from(start));
        let window = Window {
            from,
            to: from + Days::new(u64::from(days - 1)),
        };
        for (first, count) in even(
            u32::try_from(properties.len()).unwrap_or(u32::MAX),
            chunk.properties,
        ) {
            slices.push(Slice {
                first,
                count,
                window,
            });
        }
    }
    slices
}

fn even(total: u32, most: u32) -> Vec<(u32, u32)> {
    let pieces = total.div_ceil(most.max(1));
    let mut start = 0;
    (0..pieces)
        .map(|index| {
            let size = total / pieces + u32::from(index < total % pieces);
            let piece = (start, size);
            start += size;
            piece
        })
        .collect()
}
