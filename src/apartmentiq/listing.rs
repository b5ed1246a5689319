//! The vendor's list of jobs: pages, and whether they fit together to one picture.

use super::http::{Call, Client};
use super::wire;
use crate::run::{Fault, JobSeen};
use std::collections::BTreeSet;

const PAGE_BYTES_MAX: usize = 16 * 1024 * 1024;
/// The vendor's largest page.
const PER_PAGE: u32 = 100;
const PAGES_MAX: u32 = 1000;
/// A list that moved while it was read is read again, this often in all.
const READINGS_MAX: u32 = 2;

/// One page of the list, newest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobPage {
    pub jobs: Vec<JobSeen>,
    pub current: u32,
    /// Absent if the vendor did not say.
    pub total_pages: Option<u32>,
    /// Absent if the vendor did not say.
    pub total_count: Option<u64>,
    /// Listed jobs without a usable `job_id`: a list with such a gap proves nothing's absence.
    pub unreadable: u32,
}

/// Pages put together, newest first, each job once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing {
    pub jobs: Vec<JobSeen>,
    /// No job can have slipped between the pages read, so that absence from them means something.
    pub complete: bool,
    /// Whether the list was read to its end, rather than until `stop`.
    pub to_the_end: bool,
}

impl Client {
    /// One page, from 1; `per_page` 1 to 100.
    pub async fn list_page(&self, page: u32, per_page: u32) -> Result<JobPage, Fault> {
        let query = [
            ("page", page.to_string()),
            ("per_page", per_page.to_string()),
        ];
        let call = Call {
            query: &query,
            bytes_max: PAGE_BYTES_MAX,
            ..Call::read("list", &["bulk_api", "jobs"])
        };
        let reply = self.read(call).await?;
        let body = reply.json()?;
        let listed = wire::page(&body);
        let (values, place) = listed.ok_or_else(|| reply.nonsense("a list without jobs"))?;
        let mut drift: Vec<String> = values.iter().flat_map(wire::drift_of_job).collect();
        drift.extend(wire::drift_of_page(&body));
        drift.sort_unstable();
        drift.dedup();
        self.note_drift(drift);
        let jobs: Vec<JobSeen> = values.iter().filter_map(wire::job).collect();
        Ok(JobPage {
            unreadable: u32::try_from(values.len() - jobs.len()).unwrap_or(u32::MAX),
            // No pages at all, while there are jobs, says nothing.
            total_pages: place.total_pages.filter(|pages| *pages > 0),
            total_count: place.total_count,
            current: place.current.unwrap_or(page),
            jobs,
        })
    }

    /// All pages from the newest job on, until `stop` (shown all jobs of this reading so far) says so or the
    /// end.
    /// If the list moved meanwhile it is read once more; then it is told as not complete.
    pub async fn list(&self, mut stop: impl FnMut(&[JobSeen]) -> bool) -> Result<Listing, Fault> {
        let mut listing = Listing::default();
        for _ in 0..READINGS_MAX {
            listing = self.list_once(&mut stop).await?;
            if listing.complete {
                break;
            }
        }
        Ok(listing)
    }

    async fn list_once(&self, stop: &mut impl FnMut(&[JobSeen]) -> bool) -> Result<Listing, Fault> {
        let mut reading = Reading::default();
        for number in 1..=PAGES_MAX {
            let page = self.list_page(number, PER_PAGE).await?;
            let pages = page.total_pages;
            let news = reading.add(number, page);
            // A page may be smaller than was asked for: only what the vendor counts tells the last one.
            let last = match pages {
                _ if news == 0 => true,
                Some(pages) => number >= pages,
                None => reading.has_all(),
            };
            let stopped = stop(&reading.jobs);
            if stopped || last {
                return Ok(reading.finish(last));
            }
        }
        Ok(reading.finish(false).incomplete())
    }
}

impl Listing {
    fn incomplete(self) -> Listing {
        Listing {
            complete: false,
            ..self
        }
    }
}

/// Pages are read one after the other while jobs come and go. New jobs push the rest down, which
/// shows as a job seen twice; vanished ones pull it up past the reader, which shows as too few.
#[derive(Default)]
struct Reading {
    jobs: Vec<JobSeen>,
    ids: BTreeSet<String>,
    total_count: Option<u64>,
    moved: bool,
}

impl Reading {
    /// Takes a page in; the answer is how many of its jobs are new.
    fn add(&mut self, number: u32, page: JobPage) -> usize {
        let before = self.jobs.len();
        let first = number == 1;
        self.moved |= page.total_count.is_none()
            || (!first && page.total_count != self.total_count)
            || page.current != number
            || page.unreadable > 0;
        self.total_count = page.total_count;
        for job in page.jobs {
            if self.ids.insert(job.job_id.clone()) {
                self.jobs.push(job);
            } else {
                self.moved = true;
            }
        }
        self.jobs.len() - before
    }

    fn has_all(&self) -> bool {
        self.total_count == Some(self.jobs.len() as u64)
    }

    fn finish(self, to_the_end: bool) -> Listing {
        Listing {
            complete: !self.moved && (self.has_all() || !to_the_end),
            to_the_end,
            jobs: self.jobs,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::JobStatus;

    fn page(current: u32, total_count: u64, ids: std::ops::Range<u32>) -> JobPage {
        JobPage {
            jobs: ids
                .map(|id| JobSeen {
                    job_id: id.to_string(),
                    status: JobStatus::Submitted,
                    error_message: None,
                    callback_url: None,
                    report: None,
                    format: None,
                    window: None,
                    property_ids: Vec::new(),
                    created_at: None,
                })
                .collect(),
            current,
            total_pages: Some(2),
            total_count: Some(total_count),
            unreadable: 0,
        }
    }

    fn read(pages: Vec<JobPage>) -> Listing {
        let mut reading = Reading::default();
        for (number, page) in (1..).zip(pages) {
            reading.add(number, page);
        }
        reading.finish(true)
    }

    #[test]
    fn pages_that_fit_are_complete() {
        let listing = read(vec![page(1, 5, 0..3), page(2, 5, 3..5)]);
        assert!(listing.complete);
        assert_eq!(listing.jobs.len(), 5);
        assert!(read(vec![page(1, 0, 0..0)]).complete);
    }

    #[test]
    fn a_list_that_moved_is_not_complete_and_holds_each_job_once() {
        let added = read(vec![page(1, 5, 0..3), page(2, 6, 2..5)]);
        assert!(!added.complete);
        assert_eq!(added.jobs.len(), 5);
        // One came and one went between the pages: the count is the same, a job is hidden.
        assert!(!read(vec![page(1, 5, 0..3), page(2, 5, 2..4)]).complete);
        assert!(!read(vec![page(1, 5, 0..3), page(2, 5, 4..5)]).complete);
        assert!(!read(vec![page(1, 5, 0..3), page(1, 5, 3..5)]).complete);
    }

    #[test]
    fn an_unreadable_job_or_an_unknown_count_proves_no_absence() {
        let mut gap = page(1, 3, 0..3);
        gap.unreadable = 1;
        assert!(!read(vec![gap]).complete);
        let mut unknown = page(1, 3, 0..3);
        unknown.total_count = None;
        assert!(!read(vec![unknown]).complete);
    }
}
