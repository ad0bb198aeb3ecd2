pub mod series;
use crate::{fault::Fault, config::Only, model::{item::FeedItem, time::UnixTime, verdict::Verdict}};
#[derive(Debug,Clone,Default)] pub struct Reading { pub series: Vec<series::Series>, pub verdicts: Vec<Verdict>, pub cut_off: bool }
#[derive(Debug,thiserror::Error)] #[error("x")] pub struct NotACalendar;
impl Fault for NotACalendar { fn hint(&self) -> std::borrow::Cow<'static,str> { "".into() } fn is_passing(&self) -> bool { true } }
pub fn read(_i: &FeedItem) -> Result<Reading, NotACalendar> { Ok(Reading::default()) }
pub fn merge(_r: Vec<Reading>) -> Reading { Reading::default() }
pub fn keep(i: &FeedItem, _n: UnixTime, _o: &Only) -> FeedItem { i.clone() }
