// The core as a component that exports wasi:nn (native/component/): a host of components runs program images through the interface that it knows, and needs
// no support for wasi:nn of its own. scripts/build-component.mjs gives the exports the names of the canonical ABI.
export { errorCode, errorData, errorDrop, errorNew } from "./component/errors";
export { compute, drop, initContext, loadByName, loadGraph } from "./component/graph";
export { allocate } from "./component/memory";
export { tensorData, tensorDimensions, tensorDrop, tensorNew, tensorType } from "./component/tensor";
