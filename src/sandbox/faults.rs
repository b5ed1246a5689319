//! The faults the simulator can be told to show, by name.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

/// How often a fault shows when the list names it without a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Repeat {
    /// At the first opportunity in the whole world.
    Once,
    /// At the first opportunity of each job.
    OncePerJob,
    /// At the first request to each endpoint.
    OncePerEndpoint,
    /// At every opportunity.
    Always,
}

/// A line of the table of faults.
#[derive(Debug)]
pub struct Entry {
    pub fault: Fault,
    pub name: &'static str,
    pub repeat: Repeat,
    /// What it does; the subject is the simulated service.
    pub effect: &'static str,
}

macro_rules! faults {
    ($($fault:ident $name:literal $repeat:ident $effect:literal)*) => {
        /// One way in which the vendor, its file host or the network between can misbehave.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Fault { $(#[doc = $effect] $fault,)* }

        /// Every fault, its name, how often it shows by default and what it does.
        pub const TABLE: &[Entry] = &[
            $(Entry { fault: Fault::$fault, name: $name, repeat: Repeat::$repeat, effect: $effect },)*
        ];
    };
}

faults! {
    LostCallback "lost-callback" Always
        "sends no callback when a job ends"
    DuplicateCallback "duplicate-callback" Always
        "sends each callback three times"
    EarlyCallback "early-callback" Always
        "ends the job and calls back before it answers the create"
    ForgedCallback "forged-callback" Always
        "claims success of another job while this one is still running"
    OddCallback "odd-callback" Always
        "calls back with PUT, plain text and a query string"
    LostCreateReply "lost-create-reply" Once
        "creates the job and closes the connection without an answer"
    LateCreate "late-create" Once
        "closes the connection without an answer and creates the job some seconds later"
    NonsenseCreate "nonsense-create" Once
        "creates the job and answers 200 without job_id and status"
    Forbidden "forbidden" Always
        "answers a create with 403 and an empty body"
    Quota "quota" Always
        "answers a create with the JSON 429 of an exhausted quota"
    ListLag "list-lag" Always
        "shows a new job in the list only after some seconds"
    Unauthorized "401" Once
        "revokes all renewable tokens once a job exists; a pasted token is refused a single time"
    Throttled "429" Once
        "answers 429 in plain text and insists on Retry-After"
    ServerError "5xx" OncePerEndpoint
        "answers 503 and does nothing"
    UnknownStatus "unknown-status" Always
        "shows an undocumented status word until the job ends"
    NewField "new-field" Always
        "shows a job with a field that is not documented"
    NoEcho "no-echo" Always
        "leaves the callback_url out of every job it shows"
    Flips "flips" Always
        "shows a job as submitted again once its file was downloaded"
    Failed "failed" Once
        "ends the job as failed, with an error_message"
    BadProperty "bad-property" Always
        "fails every job that holds a property whose id ends in 13, without saying which"
    BadPropertyNamed "bad-property-named" Always
        "fails every job that holds a property whose id ends in 13, and names it"
    Hold "hold" Always
        "leaves the job submitted until it is released through /_sandbox"
    VanishedJob "vanished-job" Once
        "forgets the job when it should end: 404, not listed, no callback"
    RedirectElsewhere "redirect-elsewhere" OncePerJob
        "redirects the results to an address that is not the file host"
    ExpiredUrl "expired-url" OncePerJob
        "signs a URL that has already expired"
    Truncated "truncated" OncePerJob
        "cuts the connection before Content-Length is reached"
    CutSilently "cut-silently" OncePerJob
        "delivers a part of the file under a Content-Length that matches the part"
    ChangedEtag "changed-etag" OncePerJob
        "cuts a download and replaces the file, with another ETag, before the next"
    Slow "slow" Always
        "trickles the body"
    Oversized "oversized" OncePerJob
        "announces a Content-Length of 1 TiB"
    Endless "endless" OncePerJob
        "announces no length and never ends the body"
    ErrorDocument "error-document" OncePerJob
        "answers 200 with the file host's XML error document as the body"
    WrongFormat "wrong-format" Once
        "writes the job's file in another format than was ordered"
    ZeroRows "zero-rows" Always
        "succeeds with a file that has no rows"
    MissingProperties "missing-properties" Always
        "leaves one property of each job out of the file"
}

impl Fault {
    /// The fault's line in the table.
    pub fn entry(self) -> &'static Entry {
        TABLE
            .iter()
            .find(|entry| entry.fault == self)
            .expect("every fault has a line in the table")
    }

    pub fn name(self) -> &'static str {
        self.entry().name
    }
}

/// How often one list wants a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dose {
    /// As [`TABLE`] says.
    Default,
    /// At so many opportunities.
    Times(u32),
    Always,
}

/// The faults asked for: `lost-callback,401,truncated=3,5xx=always`.
///
/// `name` shows the fault as often as [`TABLE`] says, `name=N` at its first N opportunities,
/// `name=always` at every one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Faults(BTreeMap<Fault, Dose>);

/// Why a list of faults cannot be read.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ParseError {
    #[error("unknown fault `{name}`; known are {}", known())]
    Unknown { name: String },
    #[error("`{count}` is no number of times for the fault `{name}`; give a number or `always`")]
    Count { name: &'static str, count: String },
}

fn known() -> String {
    TABLE
        .iter()
        .map(|entry| entry.name)
        .collect::<Vec<_>>()
        .join(", ")
}

impl Faults {
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// `None` when the list does not name the fault.
    pub fn dose(&self, fault: Fault) -> Option<Dose> {
        self.0.get(&fault).copied()
    }
}

impl FromStr for Faults {
    type Err = ParseError;

    fn from_str(list: &str) -> Result<Self, ParseError> {
        let mut chosen = BTreeMap::new();
        for word in list
            .split(',')
            .map(str::trim)
            .filter(|word| !word.is_empty())
        {
            let (name, count) = match word.split_once('=') {
                Some((name, count)) => (name.trim(), Some(count.trim())),
                None => (word, None),
            };
            let entry = TABLE
                .iter()
                .find(|entry| entry.name == name)
                .ok_or_else(|| ParseError::Unknown {
                    name: name.to_owned(),
                })?;
            let dose = match count {
                None => Dose::Default,
                Some("always") => Dose::Always,
                Some(count) => Dose::Times(count.parse().map_err(|_| ParseError::Count {
                    name: entry.name,
                    count: count.to_owned(),
                })?),
            };
            chosen.insert(entry.fault, dose);
        }
        Ok(Faults(chosen))
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, (fault, dose)) in self.0.iter().enumerate() {
            let comma = if position == 0 { "" } else { "," };
            match dose {
                Dose::Default => write!(f, "{comma}{}", fault.name())?,
                Dose::Times(times) => write!(f, "{comma}{}={times}", fault.name())?,
                Dose::Always => write!(f, "{comma}{}=always", fault.name())?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_reads_back_as_it_prints() {
        let list: Faults = " truncated=3, lost-callback ,401=always,".parse().unwrap();
        assert_eq!(list.to_string(), "lost-callback,401=always,truncated=3");
        assert_eq!(list.to_string().parse::<Faults>().unwrap(), list);
        assert!("".parse::<Faults>().unwrap().is_empty());
    }

    #[test]
    fn an_unknown_name_lists_the_known_ones() {
        let message = "truncatd".parse::<Faults>().unwrap_err().to_string();
        assert!(message.contains("truncatd"));
        for entry in TABLE {
            assert!(message.contains(entry.name), "{}", entry.name);
        }
        assert!(
            "slow=often"
                .parse::<Faults>()
                .unwrap_err()
                .to_string()
                .contains("often")
        );
    }

    #[test]
    fn the_table_names_each_fault_once() {
        for (position, entry) in TABLE.iter().enumerate() {
            assert_eq!(entry.fault.name(), entry.name);
            assert!(
                TABLE[position + 1..]
                    .iter()
                    .all(|other| other.name != entry.name)
            );
        }
    }
}
