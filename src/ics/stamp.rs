//! Dates of an event as they are written: understood, but for the zone.

use std::borrow::Cow;

use jiff::civil::{Date, DateTime, Time};

use super::date::{self, Suffix, Written};
use super::property::Property;
use super::series::Nominal;
use super::zone::{Tzid, Zones};

/// A date or time whose zone is not looked up yet.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Stamp {
    pub written: Written,
    pub tzid: Option<Tzid>,
    /// VALUE=DATE stood there, whatever the value looks like.
    pub called_date: bool,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum PeriodEnd {
    At(Stamp),
    After(Nominal),
}

/// The date or time that is the value of a property.
pub fn stamp(property: &Property<'_>, line: u32, zones: &mut Zones) -> Option<Stamp> {
    DateContext::of(property).stamp(property.value, line, zones)
}

/// What the parameters of a property say of all its dates; looked at once, however
/// many there are.
pub struct DateContext<'a> {
    name: Option<Cow<'a, str>>,
    /// As it was interned at the first time that it holds for.
    tzid: Option<Option<Tzid>>,
    called_date: bool,
}

impl<'a> DateContext<'a> {
    #[must_use]
    pub fn of(property: &Property<'a>) -> Self {
        Self {
            name: property.parameter("TZID"),
            tzid: None,
            called_date: property.has("VALUE", "DATE"),
        }
    }

    pub fn stamp(&mut self, text: &str, line: u32, zones: &mut Zones) -> Option<Stamp> {
        let written = date::written(text)?;
        let is_local = matches!(
            written,
            Written::Time {
                suffix: Suffix::None,
                ..
            }
        );
        let tzid = match (&self.name, is_local) {
            (Some(name), true) => *self.tzid.get_or_insert_with(|| zones.intern(name, line)),
            _ => None,
        };
        Some(Stamp {
            written,
            tzid,
            called_date: self.called_date,
        })
    }
}

impl Stamp {
    /// The date, where it is one or is a midnight that is called one.
    #[must_use]
    pub fn as_date(&self) -> Option<Date> {
        match self.written {
            Written::Date(date) => Some(date),
            Written::Time { local, .. } if self.called_date && local.time() == Time::midnight() => {
                Some(local.date())
            }
            Written::Time { .. } => None,
        }
    }

    /// What the clock shows, at midnight for a date.
    #[must_use]
    pub fn local(&self) -> DateTime {
        match self.written {
            Written::Date(date) => date.to_datetime(Time::midnight()),
            Written::Time { local, .. } => local,
        }
    }
}
