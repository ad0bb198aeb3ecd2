//! Calendar bytes to series; pure. The only folder that knows iCalendar syntax.

pub mod series;
