//! "Did you mean": the schedule or run whose name is nearest to one that is not there.

use super::exit::Failure;
use super::{Context, encode};
use crate::admin::view::{Code, Runs, Schedules};

/// The help of an unknown name, with the nearest known one in it; else as it was.
pub async fn nearest_known(mut failure: Failure, typed: &str, context: &Context) -> Failure {
    let Ok(client) = context.client().await else {
        return failure;
    };
    let known: Vec<String> = match failure.error.code {
        Code::UnknownSchedule => match client.read::<Schedules>("/api/v1/schedules").await {
            Ok(all) => all.schedules.into_iter().map(|one| one.name).collect(),
            Err(_) => return failure,
        },
        Code::UnknownRun => {
            // A run of the schedule whose name it begins with is the likeliest.
            let schedule = typed.split('.').next().unwrap_or_default();
            let of = format!("/api/v1/runs?limit=1000&schedule={}", encode(schedule));
            let runs = match client.read::<Runs>(&of).await {
                Ok(runs) => Ok(runs),
                Err(_) => client.read::<Runs>("/api/v1/runs?limit=1000").await,
            };
            match runs {
                Ok(runs) => runs.runs.into_iter().map(|run| run.id).collect(),
                Err(_) => return failure,
            }
        }
        _ => return failure,
    };
    if let Some(nearest) = nearest(typed, known.iter().map(String::as_str)) {
        failure.error.help = format!("did you mean `{nearest}`? {}", failure.error.help);
    }
    failure
}

/// The candidate that is nearest, if it is near at all.
pub fn nearest<'n>(typed: &str, known: impl Iterator<Item = &'n str>) -> Option<&'n str> {
    const NEAR: f64 = 0.7;
    let typed = typed.to_lowercase();
    let scored = known.map(|name| {
        let begins = !typed.is_empty() && name.starts_with(&typed);
        let score = strsim::normalized_damerau_levenshtein(&typed, name);
        (if begins { score.max(NEAR) } else { score }, name)
    });
    let best = scored.max_by(|a, b| a.0.total_cmp(&b.0));
    best.filter(|(score, _)| *score >= NEAR)
        .map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_near_is_suggested() {
        let known = ["owned-daily", "units-weekly", "owned-monthly"];
        let of = |typed: &str| nearest(typed, known.into_iter());
        assert_eq!(of("owned-dayly"), Some("owned-daily"));
        assert_eq!(of("Owned-Daily"), Some("owned-daily"));
        assert_eq!(of("units"), Some("units-weekly"));
        assert_eq!(of("zebra"), None);
        assert_eq!(of(""), None);
    }
}
