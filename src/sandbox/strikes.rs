//! Which opportunities a fault takes.

use std::collections::HashMap;

use super::faults::{Dose, Fault, Faults, Repeat};

/// Faults and how often each has shown.
#[derive(Debug, Default)]
pub struct Strikes {
    faults: Faults,
    shown: HashMap<(Fault, String), u32>,
}

/// Where an opportunity arises: what "once per …" counts by.
#[derive(Debug, Clone, Copy)]
pub enum At<'a> {
    Job(&'a str),
    Endpoint(&'a str),
}

impl Strikes {
    pub fn new(faults: Faults) -> Self {
        Strikes {
            faults,
            shown: HashMap::new(),
        }
    }

    pub fn faults(&self) -> &Faults {
        &self.faults
    }

    /// Whether the list gives the fault a number or `always` rather than its default.
    pub fn is_dosed(&self, fault: Fault) -> bool {
        matches!(self.faults.dose(fault), Some(Dose::Times(_) | Dose::Always))
    }

    /// Whether the fault shows at this opportunity; counts it when it does.
    pub fn strike(&mut self, fault: Fault, at: At<'_>) -> bool {
        let Some(dose) = self.faults.dose(fault) else {
            return false;
        };
        let (limit, key) = match (dose, fault.entry().repeat, at) {
            (Dose::Always, _, _) | (Dose::Default, Repeat::Always, _) => return true,
            (Dose::Times(times), _, _) => (times, ""),
            (Dose::Default, Repeat::OncePerJob, At::Job(id)) => (1, id),
            (Dose::Default, Repeat::OncePerEndpoint, At::Endpoint(name)) => (1, name),
            (Dose::Default, _, _) => (1, ""),
        };
        let shown = self.shown.entry((fault, key.to_owned())).or_default();
        *shown += 1;
        *shown <= limit
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strikes(list: &str) -> Strikes {
        Strikes::new(list.parse().unwrap())
    }

    #[test]
    fn a_number_counts_across_the_world_and_the_default_by_its_scope() {
        let mut counted = strikes("truncated=2");
        let shown: Vec<bool> = ["a", "b", "c"]
            .map(|id| counted.strike(Fault::Truncated, At::Job(id)))
            .into();
        assert_eq!(shown, [true, true, false]);

        let mut default = strikes("truncated");
        let shown: Vec<bool> = ["a", "a", "b"]
            .map(|id| default.strike(Fault::Truncated, At::Job(id)))
            .into();
        assert_eq!(shown, [true, false, true]);

        let mut endpoints = strikes("5xx");
        let shown: Vec<bool> = ["jobs", "jobs", "file"]
            .map(|name| endpoints.strike(Fault::ServerError, At::Endpoint(name)))
            .into();
        assert_eq!(shown, [true, false, true]);
        assert!(!endpoints.strike(Fault::Failed, At::Job("a")));
    }
}
