//! When a report is due, and of which days it tells.

use chrono::{DateTime, Datelike, Days, NaiveDate, NaiveTime, Utc};
use chrono_tz::Tz;
use serde_json::{Value, json};

use crate::{
    error::Result,
    isp::reports::{
        definition::Definition,
        range::{Range, Usual, day_of, first_of_month, instant_of},
        rules,
    },
    types::{AreaId, Check, ReportScheduleId, Wrong},
    web::choices::choices,
    web::typed::{Typed, optional_id, optional_whole},
    words::say,
};

choices! {
    /// How often a report is made.
    Every is "ReportRhythm":
    Day = "day", "Every day";
    Week = "week", "Every week";
    Month = "month", "Every month";
}

choices! {
    /// The kind of file.
    FileKind is "ReportFileKind":
    Csv = "csv", "CSV";
    Xlsx = "xlsx", "Excel";
}

/// When an occurrence is due, on the provider's clocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rhythm {
    pub every: Every,
    pub hour: u32,
    /// Monday is 1; of a weekly one.
    pub weekday: Option<u32>,
    /// 1 to 28; of a monthly one.
    pub month_day: Option<u32>,
}

impl Rhythm {
    /// Whether it is due on this day.
    fn is_on(self, day: NaiveDate) -> bool {
        match self.every {
            Every::Day => true,
            Every::Week => self.weekday == Some(day.weekday().number_from_monday()),
            Every::Month => self.month_day == Some(day.day()),
        }
    }

    /// The instant of the occurrence of a day. An hour that clocks skip is the first one after the gap; of an hour that comes
    /// twice it is the first.
    pub fn instant(self, day: NaiveDate, zone: Tz) -> DateTime<Utc> {
        let hour = NaiveTime::from_hms_opt(self.hour, 0, 0).unwrap_or(NaiveTime::MIN);
        instant_of(day.and_time(hour), zone)
    }

    /// The day of the last occurrence that is due by now.
    pub fn last(self, now: DateTime<Utc>, zone: Tz) -> Option<NaiveDate> {
        let today = day_of(now, zone);
        (0..=31)
            .filter_map(|back| today.checked_sub_days(Days::new(back)))
            .find(|day| self.is_on(*day) && self.instant(*day, zone) <= now)
    }

    /// The instant of the first occurrence after now.
    pub fn next(self, now: DateTime<Utc>, zone: Tz) -> Option<DateTime<Utc>> {
        let today = day_of(now, zone);
        (0..=31)
            .filter_map(|ahead| today.checked_add_days(Days::new(ahead)))
            .filter(|day| self.is_on(*day))
            .map(|day| self.instant(day, zone))
            .find(|instant| *instant > now)
    }

    /// The days that the occurrence of a day tells of: the day, the seven days or the month before it. A report that looks ahead
    /// keeps its own days.
    pub fn range(self, day: NaiveDate, usual: Usual) -> Range {
        if let Usual::Around(..) = usual {
            return usual.range(day);
        }
        let yesterday = day - Days::new(1);
        match self.every {
            Every::Day => Range::day(yesterday),
            Every::Week => Range { from: day - Days::new(7), to: yesterday },
            Every::Month => Range::day(first_of_month(day)).before_month(),
        }
    }

    /// `Every Monday at 06:00`
    pub fn told(self) -> String {
        const WEEK: [&str; 7] =
            ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];
        let hour = format!("{:02}:00", self.hour);
        match self.every {
            Every::Day => say!("Every day at {}", hour),
            Every::Week => {
                let at = usize::try_from(self.weekday.unwrap_or(1).saturating_sub(1)).unwrap_or_default();
                say!("Every {} at {}", say(WEEK.get(at).copied().unwrap_or("week")), hour)
            }
            Every::Month => say!("On day {} of every month at {}", self.month_day.unwrap_or(1), hour),
        }
    }
}

/// What may be written of a schedule, checked.
#[derive(Clone)]
pub struct Draft {
    pub report: &'static Definition,
    pub kind: FileKind,
    pub area: Option<AreaId>,
    pub rhythm: Rhythm,
    pub is_active: bool,
}

pub const FIELDS: [&str; 8] =
    ["report", "format", "area_id", "every", "at_hour", "weekday", "month_day", "is_active"];

impl Draft {
    pub fn parse(typed: &Typed) -> Result<Self> {
        let mut check = Check::new();
        let report = rules::get(typed.get("report"))
            .map_err(|_unknown| Wrong::new("unknown", "There is no such report."));
        let report = check.field("report", report);
        let kind = check.field("format", FileKind::parse(typed.get("format")));
        let area = check.field("area_id", optional_id::<AreaId>(typed.get("area_id"), "area"));
        let every = check.field("every", Every::parse(typed.get("every")));
        let hour = check.field("at_hour", required(typed.get("at_hour"), 0..=23));
        let mut when = |field, wanted: bool, allowed| {
            if wanted {
                check.field(field, required(typed.get(field), allowed)).map(Some)
            } else {
                Some(None)
            }
        };
        let weekday = when("weekday", every == Some(Every::Week), 1..=7);
        let month_day = when("month_day", every == Some(Every::Month), 1..=28);
        if let (Some(report), Some(Some(_))) = (report, area)
            && !report.narrows.iter().any(|narrow| narrow.field() == "area_id")
        {
            check.wrong("area_id", "not_used", "This report is not narrowed by that.");
        }
        let whole = (|| {
            let rhythm = Rhythm { every: every?, hour: hour?, weekday: weekday?, month_day: month_day? };
            Some(Self {
                report: report?,
                kind: kind?,
                area: area?,
                rhythm,
                is_active: typed.is_ticked("is_active"),
            })
        })();
        check.finish(whole)
    }

    /// What it says of itself in the audit trail.
    pub fn said(&self) -> Value {
        json!({
            "report": self.report.name, "format": self.kind.as_str(), "area_id": self.area,
            "every": self.rhythm.every.as_str(), "at_hour": self.rhythm.hour, "weekday": self.rhythm.weekday,
            "month_day": self.rhythm.month_day, "is_active": self.is_active,
        })
    }

    pub fn typed(&self) -> Typed {
        Typed::default()
            .with("report", self.report.name)
            .with("format", self.kind.as_str())
            .with_option("area_id", self.area)
            .with("every", self.rhythm.every.as_str())
            .with("at_hour", self.rhythm.hour)
            .with_option("weekday", self.rhythm.weekday)
            .with_option("month_day", self.rhythm.month_day)
            .with("is_active", if self.is_active { "true" } else { "" })
    }
}

fn required(text: &str, allowed: std::ops::RangeInclusive<i32>) -> Result<u32, Wrong> {
    let number = optional_whole(text, allowed)?;
    let number = number.ok_or_else(|| Wrong::new("required", "This is needed."))?;
    Ok(number.unsigned_abs())
}

/// A report that is made by itself.
#[derive(Clone)]
pub struct Schedule {
    pub id: ReportScheduleId,
    pub draft: Draft,
    pub stands_since: DateTime<Utc>,
    pub made_on: Option<NaiveDate>,
    pub failure: Option<String>,
    pub created_by: String,
    pub created_at: DateTime<Utc>,
}

impl Schedule {
    /// The occurrence that is to be made now, if there is one.
    pub fn due(&self, now: DateTime<Utc>, zone: Tz) -> Option<NaiveDate> {
        let rhythm = self.draft.rhythm;
        let day = rhythm.last(now, zone)?;
        let is_new = self.made_on.is_none_or(|made| made < day);
        (self.draft.is_active && is_new && rhythm.instant(day, zone) >= self.stands_since).then_some(day)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn daily(hour: u32) -> Rhythm {
        Rhythm { every: Every::Day, hour, weekday: None, month_day: None }
    }

    fn day(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    #[test]
    fn an_hour_that_is_skipped_or_comes_twice_comes_once() {
        let berlin = chrono_tz::Europe::Berlin;
        // On 29 March 2026 clocks go from 02:00 to 03:00, on 25 October from 03:00 back to 02:00.
        assert_eq!(daily(2).instant(day("2026-03-29"), berlin), at("2026-03-29T01:00:00Z"));
        assert_eq!(daily(2).instant(day("2026-10-25"), berlin), at("2026-10-25T00:00:00Z"));
        let mut now = at("2026-10-23T12:00:00Z");
        let mut seen = Vec::new();
        for _ in 0..4 {
            now = daily(2).next(now, berlin).unwrap();
            seen.push(daily(2).last(now, berlin).unwrap().to_string());
        }
        assert_eq!(seen, ["2026-10-24", "2026-10-25", "2026-10-26", "2026-10-27"]);
    }

    #[test]
    fn weeks_and_months_have_their_day() {
        let manila = chrono_tz::Asia::Manila;
        let weekly = Rhythm { every: Every::Week, hour: 6, weekday: Some(1), month_day: None };
        let monthly = Rhythm { every: Every::Month, hour: 0, weekday: None, month_day: Some(28) };
        // Saturday, 21 November 2026, 14:00 in Manila.
        let now = at("2026-11-21T06:00:00Z");
        assert_eq!(weekly.last(now, manila), Some(day("2026-11-16")));
        assert_eq!(weekly.next(now, manila), Some(at("2026-11-22T22:00:00Z")));
        assert_eq!(monthly.last(now, manila), Some(day("2026-10-28")));
        assert_eq!(
            monthly.range(day("2026-10-28"), Usual::ThisMonth),
            Range { from: day("2026-09-01"), to: day("2026-09-30") }
        );
        assert_eq!(
            weekly.range(day("2026-11-16"), Usual::Today),
            Range { from: day("2026-11-09"), to: day("2026-11-15") }
        );
        assert_eq!(
            daily(6).range(day("2026-11-16"), Usual::Around(1, 2)),
            Range { from: day("2026-11-15"), to: day("2026-11-18") }
        );
    }
}
