#!/usr/bin/env bash
# Builds the llama-server that we compare with: natively, from the source bundle inside the npm package node-llama-cpp of
# the version whose libraries Continuo uses. Needs git, cmake and a C++ compiler; takes minutes.
#
#     bench/build-llama-server.sh [FOLDER]      default: .cache/llama-server
#
# Prints two paths for LLAMA_SERVER: `native`, the yardstick of bench/compare.ts, and (on Linux) `same-libraries`, the same
# program on Continuo's own libraries, for test/clients/greedy-equality.ts: equal kernels, so token ids must be equal.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
VERSION=3.21.1
folder=$(realpath -m "${1:-.cache/llama-server}")
source=$folder/source
mkdir -p "$folder"

if [[ ! -d $source ]]; then
  (cd "$folder" && npm pack --silent "node-llama-cpp@$VERSION" >/dev/null)
  tar -xzf "$folder/node-llama-cpp-$VERSION.tgz" -C "$folder" package/llama/gitRelease.bundle
  git clone --quiet "$folder/package/llama/gitRelease.bundle" "$source"
  # GCC 12 drops stores that only `_tile_loadconfig` reads, and every quantized model then dies of an illegal instruction
  # on processors with AMX. The empty statement tells the compiler that the whole structure is read.
  sed -i 's|^    _tile_loadconfig(&tc);|    __asm__ volatile("" : : "m"(tc) : "memory");\n&|' \
    "$source/ggml/src/ggml-cpu/amx/mmq.cpp"
fi

cmake -S "$source" -B "$folder/build" -DCMAKE_BUILD_TYPE=Release -DGGML_NATIVE=ON \
  -DLLAMA_BUILD_TESTS=OFF -DLLAMA_BUILD_EXAMPLES=OFF -DLLAMA_BUILD_UI=OFF -DLLAMA_OPENSSL=OFF &>"$folder/cmake.log"
cmake --build "$folder/build" --target llama-server --parallel "${JOBS:-$(nproc)}" &>"$folder/build.log"
built=$folder/build/bin
echo "native: $built/llama-server"

libraries=node_modules/@node-llama-cpp/linux-x64/bins/linux-x64
[[ $(uname -sm) == "Linux aarch64" ]] && libraries=node_modules/@node-llama-cpp/linux-arm64/bins/linux-arm64
[[ -d $libraries ]] || exit 0
libraries=$(realpath "$libraries")
same=$folder/same-libraries
mkdir -p "$same"
# A copy, because the program looks for processor variants of ggml beside itself.
cp "$built/llama-server" "$same/"
ln -sf "$built"/libllama-server-impl.so "$built"/libllama-common.so.0 "$built"/libmtmd.so.0 "$same/"
ln -sf "$libraries"/*.so "$same/"
for name in libllama libggml; do
  found=$(ls "$libraries/$name".v*.so)
  ln -sf "$found" "$same/$name.so.0"
done
ln -sf "$libraries/libggml-base.so" "$same/libggml-base.so.0"
echo "same-libraries: $same/llama-server (run it with LD_LIBRARY_PATH=$same)"
