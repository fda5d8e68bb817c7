import { readFileSync } from "node:fs";
import * as rivals from "onnxruntime-web";
const R=(process.env.WT??"/work/wt/state")+"/build/tools";
const { writeOnnx } = await import(R+"/src/onnx/index.js");
const { cachePairs, decoder } = await import(R+"/test/support/decoder.js");
rivals.env.wasm.numThreads = 1;
const T=rivals.Tensor; const ids=(l)=>new T("int64",BigInt64Array.from(l,BigInt),[1,l.length]);
const SIZES={ layers: 5, width: 64, heads: 4, hidden: 172, vocabulary: 512, tokens: 2048 };
const cpu=()=>{const c=process.cpuUsage();return (c.user+c.system)/1000};
for (const form of process.argv.slice(2)) {
 if(form==="stories"){ const s=await rivals.InferenceSession.create(new Uint8Array(readFileSync("/work/shared/models/stories260k/model.onnx")),{executionProviders:["wasm"]});
  const run=async n=>{const a=performance.now(); await s.run({ids:ids(Array.from({length:n},(_,i)=>(i*37)%500))}); return performance.now()-a;};
  for(let r=0;r<2;r++){ const c=cpu(); const a=performance.now(); for(let n=1;n<=256;n++) await run(n); console.log("stories 256: wall",(performance.now()-a).toFixed(0),"cpu",(cpu()-c).toFixed(0)); }
  for(const n of [64,200]){ const t=[]; for(let i=0;i<15;i++) t.push(await run(n)); console.log(n, t.sort((a,b)=>a-b)[4].toFixed(2)); } }
 else { const bytes=writeOnnx(decoder({form,...SIZES}));
  for(let r=0;r<3;r++){ const s=await rivals.InferenceSession.create(bytes,{executionProviders:["wasm"]});
   const pairs=Object.entries(cachePairs(SIZES)); const empty=new T("float32",new Float32Array(0),[1,4,0,16]); let past=Object.fromEntries(pairs.map(([,i])=>[i,empty]));
   const c=cpu(), a=performance.now(); const marks=[]; const N=1024; for(let i=0;i<N;i++){ const b=performance.now(); const m=await s.run({input_ids:ids([(i*37)%500]),...past}); past=Object.fromEntries(pairs.map(([o,i])=>[i,m[o]])); if(i===255) console.log(form,"256 wall",(performance.now()-a).toFixed(0),"cpu",(cpu()-c).toFixed(0)); if(i===100||i===1000) console.log("at",i,(performance.now()-b).toFixed(2)); }
   console.log(form,N,"wall",(performance.now()-a).toFixed(0)); await s.release(); } } }
