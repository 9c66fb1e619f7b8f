// A page's script, as pages use the published client of NCALayer: node page.js URL ORIGIN < documents (JSON).
const url = process.argv[2];
const origin = process.argv[3];
const WebSocket = require('ws');

globalThis.WebSocket = class extends WebSocket {
  constructor(address) { super(address, { origin }); } // a browser states it by itself
};
const { NCALayerClient } = require('ncalayer-js-client');

const { data, xml } = JSON.parse(require('fs').readFileSync(0, 'utf8'));

(async () => {
  const client = new NCALayerClient(url, false);
  const told = { version: await client.connect() };
  told.tokens = await client.getActiveTokens();
  told.key = await client.getKeyInfo(NCALayerClient.fileStorageType);
  told.cades = await client.createCAdESFromBase64(NCALayerClient.fileStorageType, data);
  told.xml = await client.signXml(NCALayerClient.fileStorageType, xml);
  told.xmls = await client.signXmls(NCALayerClient.fileStorageType, [xml, xml]);
  told.cms = await client.basicsSignCMS(
    NCALayerClient.basicsStoragePKCS12,
    data,
    NCALayerClient.basicsCMSParamsDetached,
    NCALayerClient.basicsSignerSignPerson,
  );
  told.basicsXml = await client.basicsSignXML(
    NCALayerClient.basicsStorageAll,
    xml,
    NCALayerClient.basicsXMLParams,
    NCALayerClient.basicsSignerSignAny,
  );
  told.certified = await client.basicsSignCMS(
    null,
    data,
    { ...NCALayerClient.basicsCMSParamsDetached, outputCert: true },
    { ...NCALayerClient.basicsSignerAny, chain: null },
  );
  try {
    await client.basicsSignCMS(NCALayerClient.basicsStorageAll, data, {}, NCALayerClient.basicsSignerSignHead);
  } catch (error) {
    told.refused = error.message;
  }
  console.log(JSON.stringify(told));
  process.exit(0);
})().catch((error) => { console.error(error); process.exit(1); });
