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
  const shown = { version: await client.connect() };
  shown.tokens = await client.getActiveTokens();
  shown.key = await client.getKeyInfo(NCALayerClient.fileStorageType);
  shown.cades = await client.createCAdESFromBase64(NCALayerClient.fileStorageType, data);
  shown.xml = await client.signXml(NCALayerClient.fileStorageType, xml);
  shown.xmls = await client.signXmls(NCALayerClient.fileStorageType, [xml, xml]);
  shown.cms = await client.basicsSignCMS(
    NCALayerClient.basicsStoragePKCS12,
    data,
    NCALayerClient.basicsCMSParamsDetached,
    NCALayerClient.basicsSignerSignPerson,
  );
  shown.basicsXml = await client.basicsSignXML(
    NCALayerClient.basicsStorageAll,
    xml,
    NCALayerClient.basicsXMLParams,
    NCALayerClient.basicsSignerSignAny,
  );
  shown.certified = await client.basicsSignCMS(
    null,
    data,
    { ...NCALayerClient.basicsCMSParamsDetached, outputCert: true },
    { ...NCALayerClient.basicsSignerAny, chain: null },
  );
  try {
    await client.basicsSignCMS(NCALayerClient.basicsStorageAll, data, {}, NCALayerClient.basicsSignerSignHead);
  } catch (error) {
    shown.refused = error.message;
  }
  console.log(JSON.stringify(shown));
  process.exit(0);
})().catch((error) => { console.error(error); process.exit(1); });
