use super::*;
#[derive(Debug, clap::Args)]
pub struct SimulateArgs {}
pub async fn run(_: SimulateArgs, _: Output) -> Result<Ended, Failure> {
    Ok(Ended::Well)
}
