use super::*;
#[derive(Debug, clap::Args)]
pub struct CheckArgs {}
pub async fn run(_: &Global, _: CheckArgs, _: Output) -> Result<Ended, Failure> {
    Ok(Ended::Well)
}
