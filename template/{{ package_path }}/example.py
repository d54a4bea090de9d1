"""An example to replace with your own code: fit a line by gradient descent."""

import torch


def fit_line(x: torch.Tensor, y: torch.Tensor, steps: int = 500) -> tuple[float, float]:
    """Return slope and intercept of the line closest to the points (x, y).

    Both tensors have shape (n,); the distance is the mean squared error.
    """
    model = torch.nn.Linear(1, 1)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.1)
    for _ in range(steps):
        loss = torch.nn.functional.mse_loss(model(x[:, None]), y[:, None])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return model.weight.item(), model.bias.item()
