//! `page` and `per_page`.

use serde_json::{Value, json};

use super::job::Refusal;

const PER_PAGE: usize = 50;
const PER_PAGE_MAX: usize = 100;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Paging {
    page: usize,
    per_page: usize,
}

impl Paging {
    /// Reads a query; other fields are ignored.
    pub fn read(query: Option<&str>) -> Result<Paging, Refusal> {
        let mut paging = Paging {
            page: 1,
            per_page: PER_PAGE,
        };
        for (name, value) in query
            .unwrap_or_default()
            .split('&')
            .filter_map(|pair| pair.split_once('='))
        {
            match name {
                "page" => paging.page = number(name, value, usize::MAX >> 8)?,
                "per_page" => paging.per_page = number(name, value, PER_PAGE_MAX)?,
                _ => {}
            }
        }
        Ok(paging)
    }

    /// The entries of the page and its `pagination` object.
    pub fn page<'a, T>(&self, all: &'a [T]) -> (&'a [T], Value) {
        let from = ((self.page - 1) * self.per_page).min(all.len());
        let to = (from + self.per_page).min(all.len());
        let pagination = json!({
            "current_page": self.page,
            "total_pages": all.len().div_ceil(self.per_page),
            "total_count": all.len(),
            "per_page": self.per_page,
        });
        (&all[from..to], pagination)
    }
}

fn number(name: &str, value: &str, max: usize) -> Result<usize, Refusal> {
    value
        .parse()
        .ok()
        .filter(|number| (1..=max).contains(number))
        .ok_or_else(|| {
            Refusal::List(vec![match name {
                "per_page" => format!("per_page must be between 1 and {PER_PAGE_MAX}"),
                _ => format!("{name} must be a positive number"),
            }])
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_cover_all_entries_once_and_then_are_empty() {
        let all: Vec<u32> = (0..101).collect();
        let page = |n: usize| {
            Paging::read(Some(&format!("page={n}&per_page=50")))
                .unwrap()
                .page(&all)
                .0
                .to_vec()
        };
        assert_eq!([page(1), page(2), page(3)].concat(), all);
        assert!(page(4).is_empty());
        let (_, pagination) = Paging::read(None).unwrap().page(&all);
        assert_eq!(
            pagination,
            json!({"current_page": 1, "total_pages": 3, "total_count": 101, "per_page": 50})
        );
    }

    #[test]
    fn per_page_is_1_to_100() {
        for good in ["1", "100"] {
            assert!(Paging::read(Some(&format!("per_page={good}"))).is_ok());
        }
        for bad in ["0", "101", "-1", "many", ""] {
            assert!(
                Paging::read(Some(&format!("per_page={bad}"))).is_err(),
                "{bad}"
            );
        }
        assert!(Paging::read(Some("page=0")).is_err());
    }
}
