//! The Prometheus text format, written by hand: a family is its HELP, its TYPE and its samples.

use std::fmt::Write;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Counter,
    Gauge,
    Histogram,
}

/// The text of one scrape. Families come in the order they are begun; each is begun once.
#[derive(Debug, Default)]
pub struct Exposition {
    text: String,
    name: &'static str,
}

/// Pairs of label name and value; values may hold anything.
pub type Labels<'a> = &'a [(&'a str, &'a str)];

impl Exposition {
    pub fn new() -> Exposition {
        Exposition::default()
    }

    /// Begins a family; `name` is without the prefix `aptiqd_`.
    pub fn family(&mut self, name: &'static str, kind: Kind, help: &str) -> &mut Exposition {
        let kind = match kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        };
        self.name = name;
        let help = help.replace('\\', "\\\\").replace('\n', "\\n");
        let _ = writeln!(self.text, "# HELP aptiqd_{name} {help}");
        let _ = writeln!(self.text, "# TYPE aptiqd_{name} {kind}");
        self
    }

    /// One sample of the family begun last.
    pub fn sample(&mut self, labels: Labels, value: f64) -> &mut Exposition {
        self.line("", labels, None, value);
        self
    }

    /// The buckets, sum and count of a histogram of the family begun last.
    pub fn histogram(&mut self, labels: Labels, histogram: &Histogram) -> &mut Exposition {
        let mut seen = 0;
        for (bound, count) in histogram.bounds.iter().zip(&histogram.counts) {
            seen += count;
            self.line("_bucket", labels, Some(&format_value(*bound)), seen as f64);
        }
        self.line("_bucket", labels, Some("+Inf"), histogram.count as f64);
        self.line("_sum", labels, None, histogram.sum);
        self.line("_count", labels, None, histogram.count as f64);
        self
    }

    pub fn finish(self) -> String {
        self.text
    }

    fn line(&mut self, suffix: &str, labels: Labels, bound: Option<&str>, value: f64) {
        let _ = write!(self.text, "aptiqd_{}{suffix}", self.name);
        let bound = bound.map(|bound| ("le", bound));
        let mut open = '{';
        for (name, value) in labels.iter().copied().chain(bound) {
            let _ = write!(self.text, "{open}{name}=\"{}\"", escape(value));
            open = ',';
        }
        if open == ',' {
            self.text.push('}');
        }
        let _ = writeln!(self.text, " {}", format_value(value));
    }
}

fn escape(value: &str) -> String {
    value
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
}

fn format_value(value: f64) -> String {
    if value.is_nan() {
        "NaN".to_owned()
    } else if value.is_infinite() {
        if value > 0.0 { "+Inf" } else { "-Inf" }.to_owned()
    } else {
        format!("{value}")
    }
}

/// Observations counted by upper bound.
#[derive(Clone, Debug)]
pub struct Histogram {
    bounds: &'static [f64],
    counts: Vec<u64>,
    sum: f64,
    count: u64,
}

impl Histogram {
    /// `bounds` ascend; what lies above the last counts in `+Inf` only.
    pub fn new(bounds: &'static [f64]) -> Histogram {
        Histogram {
            bounds,
            counts: vec![0; bounds.len()],
            sum: 0.0,
            count: 0,
        }
    }

    pub fn observe(&mut self, value: f64) {
        if let Some(at) = self.bounds.iter().position(|bound| value <= *bound) {
            self.counts[at] += 1;
        }
        self.sum += value;
        self.count += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_family_is_help_type_and_samples_with_escaped_labels() {
        let mut text = Exposition::new();
        text.family("runs_total", Kind::Counter, "Runs that ended.")
            .sample(&[("schedule", "a"), ("outcome", "say \"hi\"\\\n")], 3.0)
            .sample(&[], 0.5);
        assert_eq!(
            text.finish(),
            "# HELP aptiqd_runs_total Runs that ended.\n\
             # TYPE aptiqd_runs_total counter\n\
             aptiqd_runs_total{schedule=\"a\",outcome=\"say \\\"hi\\\"\\\\\\n\"} 3\n\
             aptiqd_runs_total 0.5\n"
        );
    }

    #[test]
    fn buckets_are_cumulative_and_end_in_infinity() {
        let mut histogram = Histogram::new(&[1.0, 60.0]);
        for value in [0.5, 30.0, 30.0, 1e6] {
            histogram.observe(value);
        }
        let mut text = Exposition::new();
        text.family("run_duration_seconds", Kind::Histogram, "h")
            .histogram(&[("phase", "export")], &histogram);
        let text = text.finish();
        let samples: Vec<&str> = text.lines().skip(2).collect();
        assert_eq!(
            samples,
            [
                "aptiqd_run_duration_seconds_bucket{phase=\"export\",le=\"1\"} 1",
                "aptiqd_run_duration_seconds_bucket{phase=\"export\",le=\"60\"} 3",
                "aptiqd_run_duration_seconds_bucket{phase=\"export\",le=\"+Inf\"} 4",
                "aptiqd_run_duration_seconds_sum{phase=\"export\"} 1000060.5",
                "aptiqd_run_duration_seconds_count{phase=\"export\"} 4",
            ]
        );
    }
}
