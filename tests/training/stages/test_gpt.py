"""The GPT stage by itself."""

import torch

from sovits_cli.training.stages.gpt import with_token_noise
from tests.differences import every_case


@every_case("share", [0.0, 0.1, 0.5])
def test_a_share_of_the_tokens_is_replaced(share: float) -> None:
    torch.manual_seed(1)
    codes = torch.full((40, 500), 7)
    found = with_token_noise(codes, share, 1000)
    assert abs(float((found != codes).float().mean()) - share) < 0.01
    assert int(found.max()) < 1000
    assert bool((codes == 7).all())
