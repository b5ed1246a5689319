use super::Schedule;
use chrono::{DateTime, Utc};
impl Schedule {
    pub fn fires_at(&self, nominal: DateTime<Utc>) -> DateTime<Utc> {
        nominal
    }
}
