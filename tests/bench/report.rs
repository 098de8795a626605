// SPDX-License-Identifier: MPL-2.0
//! Figures as a table, each beside its limit.

use std::fmt::Write as _;
use std::time::Duration;

/// What a figure counts. Times and processor time are better when small, rates when large.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unit {
    Millis,
    PerSecond,
    MebibytesPerSecond,
    /// Seconds of processor time for a gibibyte.
    CpuPerGib,
    /// Microseconds of processor time for a call.
    CpuPerCall,
}

/// One measured figure beside the limit of the same run.
#[derive(Debug)]
pub(crate) struct Line {
    what: &'static str,
    unit: Unit,
    ours: f64,
    limit: f64,
    /// What another executable reaches.
    other: Option<f64>,
    /// Ratios to the limit: what must be reached, and what would be good.
    target: Option<(f64, f64)>,
}

/// All figures of a run.
#[derive(Debug, Default)]
pub(crate) struct Report(Vec<Line>);

impl Line {
    pub(crate) fn new(what: &'static str, unit: Unit, ours: f64, limit: f64) -> Self {
        Self {
            what,
            unit,
            ours,
            limit,
            other: None,
            target: None,
        }
    }

    /// Says what ratio to the limit must be reached, and what would be good.
    pub(crate) fn target(mut self, must: f64, stretch: f64) -> Self {
        self.target = Some((must, stretch));
        self
    }

    /// What another executable reaches, if one is measured.
    pub(crate) fn other(mut self, other: Option<f64>) -> Self {
        self.other = other;
        self
    }

    fn ratio(&self) -> f64 {
        self.ours / self.limit
    }

    fn verdict(&self) -> &'static str {
        let Some((must, stretch)) = self.target else {
            return "-";
        };
        let reaches = |target: f64| match self.unit {
            Unit::Millis | Unit::CpuPerGib | Unit::CpuPerCall => self.ratio() <= target,
            Unit::PerSecond | Unit::MebibytesPerSecond => self.ratio() >= target,
        };
        match (reaches(must), reaches(stretch)) {
            (_, true) => "stretch",
            (true, false) => "must",
            (false, false) => "MISSED",
        }
    }

    fn shown(&self, figure: f64) -> String {
        match self.unit {
            Unit::Millis => format!("{figure:.3} ms"),
            Unit::PerSecond => format!("{figure:.0} /s"),
            Unit::MebibytesPerSecond => format!("{figure:.0} MiB/s"),
            Unit::CpuPerGib => format!("{figure:.1} s/GiB"),
            Unit::CpuPerCall => format!("{figure:.0} µs"),
        }
    }
}

impl Report {
    pub(crate) fn add(&mut self, line: Line) {
        self.0.push(line);
    }

    pub(crate) fn has_lines(&self) -> bool {
        !self.0.is_empty()
    }

    /// The figures as a Markdown table.
    pub(crate) fn table(&self) -> String {
        let mut table = String::from(
            "| what | ours | limit | ratio | must | stretch | reached | other |\n|---|---|---|---|---|---|---|---|\n",
        );
        for line in &self.0 {
            let target = |pick: fn((f64, f64)) -> f64| {
                line.target
                    .map_or("-".to_owned(), |target| format!("{:.2}", pick(target)))
            };
            writeln!(
                table,
                "| {} | {} | {} | {:.2} | {} | {} | {} | {} |",
                line.what,
                line.shown(line.ours),
                line.shown(line.limit),
                line.ratio(),
                target(|target| target.0),
                target(|target| target.1),
                line.verdict(),
                line.other.map_or("-".to_owned(), |other| line.shown(other)),
            )
            .expect("writing to a string never fails");
        }
        table
    }
}

/// The median of `times`, in milliseconds.
pub(crate) fn median_millis(mut times: Vec<Duration>) -> f64 {
    times.sort_unstable();
    times[times.len() / 2].as_secs_f64() * 1000.0
}

/// The median of `figures`.
pub(crate) fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_unstable_by(f64::total_cmp);
    figures[figures.len() / 2]
}
